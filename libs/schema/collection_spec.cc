#include "libs/schema/collection_spec.h"

#include <re2/re2.h>

#include <algorithm>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::schema {
namespace {

// As many allowed values as a message should hold.
constexpr size_t kShownChoices = 10;
// As much of a pattern as a message should hold.
constexpr size_t kShownPattern = 200;

absl::Status CheckChoice(const FieldSpec& field, const FieldValue& value) {
  if (std::binary_search(field.one_of.begin(), field.one_of.end(), value)) {
    return absl::OkStatus();
  }
  std::string problem =
      absl::StrCat("is ", ShowValue(field.type, value), "; allowed are ");
  for (size_t i = 0; i < std::min(field.one_of.size(), kShownChoices); ++i) {
    absl::StrAppend(&problem, i == 0 ? "" : ", ",
                    ShowValue(field.type, field.one_of[i]));
  }
  if (field.one_of.size() > kShownChoices) absl::StrAppend(&problem, ", …");
  return absl::InvalidArgumentError(problem);
}

absl::Status CheckLength(const FieldSpec& field, int64_t length,
                         absl::string_view unit) {
  if (!field.max_length.has_value() || length <= *field.max_length) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("has ", length, " ", unit, "; at most ", *field.max_length,
                   " are allowed"));
}

// The memory for a pattern's compiled form; one that needs more is refused.
constexpr int64_t kMaxPatternBytes = 1 << 20;

RE2::Options PatternOptions() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxPatternBytes);
  return options;
}

// More patterns than the schemas of a busy thread's collections have.
constexpr size_t kMaxCachedPatterns = 512;

// The compiled pattern, kept from call to call. A thread's own, because a
// lock taken for every value of every record would cost more than the match.
const RE2& Compiled(const std::string& pattern) {
  thread_local absl::flat_hash_map<std::string, std::unique_ptr<RE2>> cache;
  const auto found = cache.find(pattern);
  if (found != cache.end()) return *found->second;
  if (cache.size() >= kMaxCachedPatterns) cache.clear();
  auto compiled = std::make_unique<RE2>(pattern, PatternOptions());
  return *cache.emplace(pattern, std::move(compiled)).first->second;
}

absl::Status CheckPattern(const FieldSpec& field, const std::string& text) {
  if (field.pattern.empty() || RE2::FullMatch(text, Compiled(field.pattern))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("is ", ShowValue(field.type, FieldValue(text)),
                   "; it must match ", CutText(field.pattern, kShownPattern)));
}

absl::Status CheckElement(const FieldSpec& field, const std::string& element) {
  if (!field.one_of.empty()) {
    RETURN_IF_ERROR(CheckChoice(field, FieldValue(element)));
  }
  return CheckPattern(field, element);
}

absl::Status CheckStrings(const FieldSpec& field, const FieldValue& value) {
  if (field.one_of.empty() && !field.max_length.has_value() &&
      field.pattern.empty()) {
    return absl::OkStatus();
  }
  google::protobuf::Value list;
  RETURN_IF_ERROR(EncodeValue(field.type, value, &list));
  const auto& elements = list.list_value().values();
  RETURN_IF_ERROR(CheckLength(field, elements.size(), "elements"));
  for (int i = 0; i < elements.size(); ++i) {
    const absl::Status status = CheckElement(field, elements[i].string_value());
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("has an element ", i, " that ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBounds(const FieldSpec& field, const FieldValue& value) {
  const auto problem = [&](absl::string_view rule, const FieldValue& bound) {
    return absl::InvalidArgumentError(
        absl::StrCat("is ", ShowValue(field.type, value), "; ", rule, " ",
                     ShowValue(field.type, bound), " is allowed"));
  };
  if (field.min.index() != 0 && value < field.min) {
    return problem("at least", field.min);
  }
  if (field.max.index() != 0 && field.max < value) {
    return problem("at most", field.max);
  }
  return absl::OkStatus();
}

}  // namespace

int CollectionSpec::FieldIndex(absl::string_view field) const {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == field) return static_cast<int>(i);
  }
  return -1;
}

const FieldSpec* CollectionSpec::FindField(absl::string_view field) const {
  const int index = FieldIndex(field);
  return index < 0 ? nullptr : &fields[index];
}

const VectorFieldSpec* CollectionSpec::FindVector(
    absl::string_view vector_field) const {
  for (const VectorFieldSpec& vector : vectors) {
    if (vector.name == vector_field) return &vector;
  }
  return nullptr;
}

std::vector<std::vector<int>> CollectionSpec::UniqueKeys() const {
  std::vector<std::vector<int>> keys;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].unique) keys.push_back({static_cast<int>(i)});
  }
  for (const std::vector<std::string>& names : unique) {
    std::vector<int>& key = keys.emplace_back();
    for (const std::string& name : names) key.push_back(FieldIndex(name));
  }
  return keys;
}

bool operator==(const CollectionSpec& a, const CollectionSpec& b) {
  const auto by_name = [](const CollectionSpec& spec) {
    std::vector<FieldSpec> fields = spec.fields;
    for (FieldSpec& field : fields) field.renamed_from.clear();
    std::sort(fields.begin(), fields.end(),
              [](const auto& x, const auto& y) { return x.name < y.name; });
    return fields;
  };
  return a.name == b.name && a.sequence_ids == b.sequence_ids &&
         a.required_ids == b.required_ids && a.unique == b.unique &&
         a.distinct_keys == b.distinct_keys && a.indexes == b.indexes &&
         a.checks == b.checks && a.expire == b.expire &&
         a.soft_delete == b.soft_delete && a.history == b.history &&
         a.touch == b.touch && a.full_text == b.full_text &&
         a.rollups == b.rollups && a.edges == b.edges &&
         a.vectors == b.vectors && by_name(a) == by_name(b);
}

Missing CollectionSpec::MissingIn(const std::vector<int>& unique_key) const {
  std::vector<std::string> names;
  names.reserve(unique_key.size());
  for (const int place : unique_key) names.push_back(fields[place].name);
  return std::binary_search(distinct_keys.begin(), distinct_keys.end(), names)
             ? Missing::kDistinct
             : Missing::kEqual;
}

absl::Status ValidatePattern(const std::string& pattern) {
  const RE2 compiled(pattern, PatternOptions());
  if (compiled.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("is no RE2 pattern: ", compiled.error()));
}

absl::Status CheckValue(const FieldSpec& field, const FieldValue& value) {
  if (value.index() == 0) {
    if (!field.required) return absl::OkStatus();
    return absl::InvalidArgumentError("is required; give it a value");
  }
  if (field.type == FieldType::kStrings) return CheckStrings(field, value);
  if (!field.one_of.empty()) RETURN_IF_ERROR(CheckChoice(field, value));
  RETURN_IF_ERROR(CheckBounds(field, value));
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (field.max_length.has_value()) {
      RETURN_IF_ERROR(CheckLength(field, CountCharacters(*text), "characters"));
    }
    return CheckPattern(field, *text);
  }
  if (const auto* blob = std::get_if<Blob>(&value)) {
    return CheckLength(field, static_cast<int64_t>(blob->bytes.size()),
                       "bytes");
  }
  return absl::OkStatus();
}

}  // namespace engram::schema
