#include "services/storage/merge_rules.h"

#include <cmath>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/json_text.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

absl::Status Problem(absl::string_view text) {
  return absl::InvalidArgumentError(text);
}

bool IsMissing(const ColumnValue& value) { return value.index() == 0; }

bool IsLess(const schema::FieldSpec& field, const ColumnValue& a,
            const ColumnValue& b) {
  if (!field.nocase) return a < b;
  const auto* left = std::get_if<std::string>(&a);
  const auto* right = std::get_if<std::string>(&b);
  if (left == nullptr || right == nullptr) return a < b;
  return absl::AsciiStrToLower(*left) < absl::AsciiStrToLower(*right);
}

// The elements of a value that may be missing.
absl::StatusOr<std::vector<absl::string_view>> ElementsOf(
    const ColumnValue& held) {
  if (IsMissing(held)) return std::vector<absl::string_view>();
  const auto* text = std::get_if<std::string>(&held);
  if (text == nullptr || !IsJsonList(*text)) {
    return Problem("holds no list, so elements cannot be added or removed");
  }
  return ListElements(*text);
}

}  // namespace

absl::StatusOr<ColumnValue> Sum(const ColumnValue& held,
                                const ColumnValue& sent) {
  if (IsMissing(held)) return sent;
  if (const auto* left = std::get_if<int64_t>(&held)) {
    int64_t sum = 0;
    if (__builtin_add_overflow(*left, std::get<int64_t>(sent), &sum)) {
      return Problem("becomes an int beyond 64 bits");
    }
    return ColumnValue(sum);
  }
  const double sum = std::get<double>(held) + std::get<double>(sent);
  if (!std::isfinite(sum)) return Problem("becomes a number without bounds");
  return ColumnValue(sum);
}

const ColumnValue& Larger(const schema::FieldSpec& field,
                          const ColumnValue& held, const ColumnValue& sent) {
  return IsMissing(held) || IsLess(field, held, sent) ? sent : held;
}

const ColumnValue& Smaller(const schema::FieldSpec& field,
                           const ColumnValue& held, const ColumnValue& sent) {
  return IsMissing(held) || IsLess(field, sent, held) ? sent : held;
}

absl::StatusOr<ColumnValue> Append(const ColumnValue& held,
                                   absl::Span<const absl::string_view> elements,
                                   Appending how) {
  ASSIGN_OR_RETURN(std::vector<absl::string_view> list, ElementsOf(held));
  // A list that nothing is added to stays missing.
  if (IsMissing(held) && elements.empty()) return held;
  if (how.unique) {
    absl::flat_hash_set<absl::string_view> seen(list.begin(), list.end());
    for (const absl::string_view element : elements) {
      if (seen.insert(element).second) list.push_back(element);
    }
  } else {
    list.insert(list.end(), elements.begin(), elements.end());
  }
  const auto kept = static_cast<size_t>(how.keep_last);
  const size_t begin = kept > 0 && list.size() > kept ? list.size() - kept : 0;
  return ColumnValue(MakeList(absl::MakeConstSpan(list).subspan(begin)));
}

absl::StatusOr<ColumnValue> Remove(
    const ColumnValue& held, absl::Span<const absl::string_view> elements) {
  ASSIGN_OR_RETURN(std::vector<absl::string_view> list, ElementsOf(held));
  if (IsMissing(held)) return held;
  const absl::flat_hash_set<absl::string_view> unwanted(elements.begin(),
                                                        elements.end());
  std::vector<absl::string_view> left;
  left.reserve(list.size());
  for (const absl::string_view element : list) {
    if (!unwanted.contains(element)) left.push_back(element);
  }
  return ColumnValue(MakeList(left));
}

absl::Status CheckComputed(const schema::CollectionSpec& spec, int place,
                           const ColumnValue& value) {
  if (IsMissing(value)) return absl::OkStatus();
  const schema::FieldSpec& field = spec.fields[place];
  if (const auto* text = std::get_if<std::string>(&value);
      text != nullptr && text->size() > kMaxComputedBytes) {
    return Problem(absl::StrCat("grows to ", text->size(), " bytes; at most ",
                                kMaxComputedBytes, " are allowed"));
  }
  if (field.type == schema::FieldType::kTimestamp) {
    const int64_t time = std::get<int64_t>(value);
    if (time < schema::kMinTimestamp || time > schema::kMaxTimestamp) {
      return Problem("becomes a timestamp outside the years 1 to 9999");
    }
  }
  RETURN_IF_ERROR(schema::CheckValue(field, value));
  if (!IsIndexed(spec, place)) return absl::OkStatus();
  return CheckIndexedValue(field, value);
}

}  // namespace engram::storage
