#include "services/storage/sql_values.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// Beyond these a double skips whole numbers.
constexpr int64_t kExactLimit = int64_t{1} << 53;

std::string PathOf(absl::string_view name) {
  return absl::StrCat("parameters.", CutText(name, 64));
}

absl::Status BindNumber(double number, int parameter,
                        sqlite::GuestStatement& statement) {
  // JSON does not tell 1 from 1.0; a column of either type is equal to this.
  if (std::trunc(number) == number && std::abs(number) < kExactLimit) {
    return statement.BindInt(parameter, static_cast<int64_t>(number));
  }
  return statement.BindDouble(parameter, number);
}

// Binds one value; false if it is of no kind that SQL has.
absl::StatusOr<bool> Bind(const Value& value, int parameter,
                          sqlite::GuestStatement& statement) {
  absl::Status status;
  switch (value.kind_case()) {
    case Value::kNullValue:
      return true;  // What is not bound is NULL.
    case Value::kBoolValue:
      status = statement.BindInt(parameter, value.bool_value() ? 1 : 0);
      break;
    case Value::kNumberValue:
      if (std::isnan(value.number_value())) return false;
      status = BindNumber(value.number_value(), parameter, statement);
      break;
    case Value::kStringValue:
      status = statement.BindText(parameter, value.string_value());
      break;
    default:
      return false;
  }
  RETURN_IF_ERROR(status);
  return true;
}

// The bytes of the character at the begin of `text`, which is not empty; 0 if
// what stands there is no UTF-8.
size_t CharacterBytes(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const size_t size = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool is_overlong = (byte(0) == 0xE0 && byte(1) < 0xA0) ||
                           (byte(0) == 0xF0 && byte(1) < 0x90);
  const bool is_beyond = (byte(0) == 0xED && byte(1) >= 0xA0) ||
                         (byte(0) == 0xF4 && byte(1) >= 0x90);
  return is_overlong || is_beyond ? 0 : size;
}

}  // namespace

absl::Status BindSqlParameters(const Struct& parameters,
                               sqlite::GuestStatement& statement) {
  FieldViolations violations;
  absl::flat_hash_set<absl::string_view> used;
  for (int i = 1; i <= statement.parameter_count(); ++i) {
    absl::string_view name = statement.ParameterName(i);
    if (name.empty() || name[0] == '?') {
      violations.Add("sql", "has a parameter without a name; write :name");
      break;
    }
    name.remove_prefix(1);
    const auto found = parameters.fields().find(std::string(name));
    if (found == parameters.fields().end()) {
      violations.Add(PathOf(name), "is missing, and the statement uses it");
      continue;
    }
    used.insert(found->first);
    ASSIGN_OR_RETURN(const bool is_bound, Bind(found->second, i, statement));
    if (is_bound) continue;
    violations.Add(PathOf(name),
                   "wants null, true, false, a number or a string");
  }
  std::vector<absl::string_view> unused;
  for (const auto& [name, value] : parameters.fields()) {
    if (!used.contains(name)) unused.push_back(name);
  }
  // A Struct has no order; an answer should not depend on a hash.
  std::sort(unused.begin(), unused.end());
  for (const absl::string_view name : unused) {
    violations.Add(PathOf(name), "is used nowhere; leave it out");
  }
  return violations.ToStatus();
}

void EncodeSqlValue(const sqlite::GuestStatement& statement, int column,
                    Value* out) {
  switch (statement.ColumnType(column)) {
    case SQLITE_INTEGER: {
      const int64_t number = statement.Int(column);
      if (number > -kExactLimit && number < kExactLimit) {
        out->set_number_value(static_cast<double>(number));
      } else {
        out->set_string_value(absl::StrCat(number));
      }
      return;
    }
    case SQLITE_FLOAT: {
      // SQLite has no NaN, but 9e999.
      const double number = statement.Double(column);
      if (std::isfinite(number)) {
        out->set_number_value(number);
      } else {
        out->set_string_value(number > 0 ? "Infinity" : "-Infinity");
      }
      return;
    }
    case SQLITE_TEXT:
      out->set_string_value(MakeUtf8(statement.Text(column)));
      return;
    case SQLITE_BLOB:
      out->set_string_value(absl::Base64Escape(statement.Blob(column)));
      return;
    default:
      out->set_null_value(google::protobuf::NULL_VALUE);
      return;
  }
}

std::string MakeUtf8(absl::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const size_t size = CharacterBytes(text);
    if (size == 0) {
      result += "\xEF\xBF\xBD";
    } else {
      result.append(text.data(), size);
    }
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return result;
}

}  // namespace engram::storage
