#include "services/storage/record_order.h"

#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/struct.pb.h"
#include "libs/schema/nearest_name.h"
#include "libs/schema/record_scope.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/order_by.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

using schema::FieldType;

constexpr absl::string_view kRowName = "_row";

// A longer value makes no token: it would be as large as the page.
constexpr size_t kMaxTokenValueBytes = 64 << 10;

constexpr size_t kShownBytes = 64;

bool CanOrder(FieldType type) {
  return type != FieldType::kJson && type != FieldType::kBytes &&
         type != FieldType::kStrings;
}

bool IsInteger(FieldType type) {
  return type == FieldType::kInt || type == FieldType::kBool ||
         type == FieldType::kTimestamp;
}

OrderKey RowKey(bool descending) {
  return {.name = std::string(kRowName),
          .column = std::string(kRowName),
          .type = FieldType::kInt,
          .descending = descending};
}

std::string Problem(const OrderTerm& term, absl::string_view problem) {
  return absl::StrCat("column ", term.column, ": ", problem);
}

std::string UnknownName(const Collection& collection, const OrderTerm& term) {
  std::vector<std::string> names = schema::RecordScope(collection.spec).Names();
  names.emplace_back(kRowName);
  return Problem(
      term, absl::StrCat(
                "no field \"", CutText(term.name, kShownBytes), "\"",
                schema::DidYouMean(term.name, {names.begin(), names.end()})));
}

// The key of a term; nothing, and a violation, if there is none.
std::optional<OrderKey> FindKey(const Collection& collection,
                                const OrderTerm& term,
                                FieldViolations& violations) {
  if (term.name == kRowName) return RowKey(term.descending);
  const auto found = schema::RecordScope(collection.spec).Find(term.name);
  if (!found.has_value()) {
    violations.Add("order_by", UnknownName(collection, term));
    return std::nullopt;
  }
  if (!CanOrder(found->type)) {
    violations.Add(
        "order_by",
        Problem(term, absl::StrCat("\"", term.name, "\" is ",
                                   schema::FieldTypeName(found->type),
                                   ", which has no order; json, bytes and "
                                   "strings fields have none")));
    return std::nullopt;
  }
  return OrderKey{.name = term.name,
                  .column = PlaceColumn(collection.spec, "", found->place),
                  .type = found->type,
                  .descending = term.descending,
                  .can_be_missing = found->place >= 0 ||
                                    found->place == schema::kExpireTimePlace};
}

// Before every value of the type, and no missing one.
ColumnValue LowestValue(FieldType type) {
  if (IsInteger(type)) return std::numeric_limits<int64_t>::min();
  if (type == FieldType::kDouble) {
    return -std::numeric_limits<double>::infinity();
  }
  return std::string();
}

bool IsMissing(const ColumnValue& value) { return value.index() == 0; }

// Makes the parts of RecordsAfter.
class PartWriter {
 public:
  PartWriter(const RecordOrder& order, const std::vector<ColumnValue>& values)
      : order_(order), values_(values) {}

  std::vector<KeysetPart> Write() && {
    // What shares most with the record comes first.
    for (size_t key = order_.size(); key-- > 0;) AddBehind(key);
    return std::move(parts_);
  }

 private:
  // The records that are equal in all keys before `key`, and behind in it.
  void AddBehind(size_t key) {
    const OrderKey& at = order_[key];
    const bool missing = IsMissing(values_[key]);
    if (!at.descending) {
      // What is missing is behind nothing; all that is there is behind it.
      Add(key, key, missing ? " >= ?" : " > ?",
          missing ? LowestValue(at.type) : values_[key]);
      return;
    }
    if (missing) return;
    Add(key, key, " < ?", values_[key]);
    if (at.can_be_missing) Add(key, key + 1, " IS NULL", std::nullopt);
  }

  void Add(size_t key, size_t first_key, absl::string_view comparison,
           std::optional<ColumnValue> value) {
    KeysetPart part = {.first_key = first_key};
    for (size_t i = 0; i < key; ++i) {
      const bool missing = IsMissing(values_[i]);
      absl::StrAppend(&part.condition, order_[i].column,
                      missing ? " IS NULL AND " : " = ? AND ");
      if (!missing) part.parameters.push_back(values_[i]);
    }
    absl::StrAppend(&part.condition, order_[key].column, comparison);
    if (value.has_value()) part.parameters.push_back(*std::move(value));
    parts_.push_back(std::move(part));
  }

  const RecordOrder& order_;
  const std::vector<ColumnValue>& values_;
  std::vector<KeysetPart> parts_;
};

// What a token carries for a value; an int as its digits, which no double
// loses.
google::protobuf::Value ToToken(const ColumnValue& value) {
  google::protobuf::Value out;
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    out.set_string_value(absl::StrCat(*whole));
  } else if (const auto* number = std::get_if<double>(&value)) {
    out.set_number_value(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out.set_string_value(*text);
  } else {
    out.set_null_value(google::protobuf::NULL_VALUE);
  }
  return out;
}

// The reverse; nothing if the key cannot have it.
std::optional<ColumnValue> FromToken(const OrderKey& key,
                                     const google::protobuf::Value& value) {
  if (value.has_null_value()) {
    if (!key.can_be_missing) return std::nullopt;
    return ColumnValue();
  }
  if (key.type == FieldType::kDouble) {
    // No field is infinite, and nothing compares with NaN.
    if (!std::isfinite(value.number_value()) || !value.has_number_value()) {
      return std::nullopt;
    }
    return ColumnValue(value.number_value());
  }
  if (!value.has_string_value()) return std::nullopt;
  if (!IsInteger(key.type)) return ColumnValue(value.string_value());
  int64_t whole = 0;
  if (!absl::SimpleAtoi(value.string_value(), &whole)) return std::nullopt;
  return ColumnValue(whole);
}

}  // namespace

RecordOrder DecodeOrder(const Collection& collection,
                        absl::string_view order_by,
                        FieldViolations& violations) {
  const auto terms = ParseOrderBy(order_by);
  if (!terms.ok()) violations.Add("order_by", terms.status().message());
  if (!terms.ok() || terms->empty()) return {RowKey(/*descending=*/false)};
  RecordOrder order;
  // What follows a key that no two records share orders nothing.
  bool is_total = false;
  for (const OrderTerm& term : *terms) {
    std::optional<OrderKey> key = FindKey(collection, term, violations);
    // Where no record expires the time is missing from each.
    if (!key.has_value() || key->column == "NULL" || is_total) continue;
    is_total = key->name == "id" || key->name == kRowName;
    order.push_back(*std::move(key));
  }
  if (!is_total) {
    order.push_back({.name = "id", .column = "id", .type = FieldType::kString});
  }
  return order;
}

std::string OrderSql(const RecordOrder& order, size_t first) {
  std::string sql = " ORDER BY ";
  for (size_t i = first; i < order.size(); ++i) {
    absl::StrAppend(&sql, i > first ? ", " : "", order[i].column,
                    order[i].descending ? " DESC" : "");
  }
  return sql;
}

std::string KeyColumns(const RecordOrder& order) {
  return absl::StrJoin(order, ", ", [](std::string* out, const OrderKey& key) {
    absl::StrAppend(out, key.column);
  });
}

std::vector<KeysetPart> RecordsAfter(const RecordOrder& order,
                                     const std::vector<ColumnValue>& values) {
  return PartWriter(order, values).Write();
}

absl::StatusOr<std::string> EncodeKeyset(
    const RecordOrder& order, const std::vector<ColumnValue>& values) {
  google::protobuf::ListValue list;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto* text = std::get_if<std::string>(&values[i]);
    if (text != nullptr && text->size() > kMaxTokenValueBytes) {
      return absl::FailedPreconditionError(
          absl::StrCat("a page ends with a record whose \"", order[i].name,
                       "\" has ", text->size(),
                       " bytes; the next one can be asked for by values up to ",
                       kMaxTokenValueBytes,
                       " only: order by another field, or leave such "
                       "records out by a filter"));
    }
    *list.add_values() = ToToken(values[i]);
  }
  return list.SerializeAsString();
}

absl::StatusOr<std::vector<ColumnValue>> DecodeKeyset(const RecordOrder& order,
                                                      absl::string_view text) {
  google::protobuf::ListValue list;
  if (!list.ParseFromArray(text.data(), static_cast<int>(text.size())) ||
      list.values_size() != static_cast<int>(order.size())) {
    return UnknownPageToken();
  }
  std::vector<ColumnValue> values;
  for (size_t i = 0; i < order.size(); ++i) {
    auto value = FromToken(order[i], list.values(static_cast<int>(i)));
    if (!value.has_value()) return UnknownPageToken();
    values.push_back(*std::move(value));
  }
  return values;
}

}  // namespace engram::storage
