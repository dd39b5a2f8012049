#include "libs/filter/literal.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/lexer.h"
#include "libs/schema/field_value.h"
#include "libs/status/status_macros.h"

namespace engram::filter {
namespace {

using google::protobuf::Value;
using schema::FieldType;
using schema::FieldValue;

// SQLite refuses longer ones.
constexpr size_t kMaxPatternBytes = 50'000;
constexpr double kTwoTo63 = 9223372036854775808.0;

absl::Status Misfit(const Syntax& syntax, Type wanted, Type got) {
  return ErrorAt(
      syntax.column,
      absl::StrCat(TypeName(wanted), " is wanted; got ", TypeName(got)));
}

// Reads a string literal as a field's value in a request is read.
absl::Status Decode(FieldType type, Node& literal, const Syntax& syntax) {
  Value value;
  value.set_string_value(std::get<std::string>(literal.value));
  absl::StatusOr<FieldValue> decoded = schema::DecodeValue(type, value);
  if (!decoded.ok()) return ErrorAt(syntax.column, decoded.status().message());
  literal.value = *std::move(decoded);
  return absl::OkStatus();
}

absl::Status AdaptString(Node& literal, Type type, const Syntax& syntax) {
  switch (type) {
    case Type::kTimestamp:
      return Decode(FieldType::kTimestamp, literal, syntax);
    case Type::kBytes:
      return Decode(FieldType::kBytes, literal, syntax);
    case Type::kInt:
      if (syntax.parameter.empty()) break;
      return Decode(FieldType::kInt, literal, syntax);
    case Type::kDuration: {
      const auto duration = ReadDuration(std::get<std::string>(literal.value));
      if (!duration.has_value()) {
        return ErrorAt(syntax.column, "wants a duration such as 7d or 1h30m");
      }
      literal.value = *duration;
      return absl::OkStatus();
    }
    default:
      break;
  }
  return Misfit(syntax, type, Type::kString);
}

// Whether an int64 holds `number` exactly.
bool IsWhole(double number) {
  return std::trunc(number) == number && number >= -kTwoTo63 &&
         number < kTwoTo63;
}

}  // namespace

std::string TypeName(Type type) {
  switch (type) {
    case Type::kBool:
      return "a bool";
    case Type::kInt:
      return "an int";
    case Type::kDouble:
      return "a double";
    case Type::kString:
      return "a string";
    case Type::kTimestamp:
      return "a timestamp";
    case Type::kDuration:
      return "a duration";
    case Type::kBytes:
      return "bytes";
    case Type::kStrings:
      return "a list of strings";
    case Type::kJson:
      return "json";
  }
  return "";
}

Type TypeOf(FieldType type) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
      return Type::kString;
    case FieldType::kInt:
      return Type::kInt;
    case FieldType::kDouble:
      return Type::kDouble;
    case FieldType::kBool:
      return Type::kBool;
    case FieldType::kTimestamp:
      return Type::kTimestamp;
    case FieldType::kJson:
      return Type::kJson;
    case FieldType::kBytes:
      return Type::kBytes;
    case FieldType::kStrings:
      return Type::kStrings;
  }
  return Type::kString;
}

absl::StatusOr<Node> LiteralOf(const Value& value, int column) {
  Node node;
  node.type = Type::kString;
  switch (value.kind_case()) {
    case Value::kNullValue:
      return node;
    case Value::kBoolValue:
      node.type = Type::kBool;
      node.value = int64_t{value.bool_value()};
      return node;
    case Value::kStringValue: {
      absl::StatusOr<FieldValue> text =
          schema::DecodeValue(FieldType::kString, value);
      if (!text.ok()) return ErrorAt(column, text.status().message());
      node.value = *std::move(text);
      return node;
    }
    case Value::kNumberValue: {
      // A whole number is an int where it is exact; else it stays a double.
      const absl::StatusOr<FieldValue> whole =
          schema::DecodeValue(FieldType::kInt, value);
      const absl::StatusOr<FieldValue> number =
          schema::DecodeValue(FieldType::kDouble, value);
      if (!number.ok()) return ErrorAt(column, number.status().message());
      node.type = whole.ok() ? Type::kInt : Type::kDouble;
      node.value = whole.ok() ? *whole : *number;
      return node;
    }
    case Value::kListValue:
      return ErrorAt(column, "a list goes with IN alone");
    case Value::kStructValue:
      return ErrorAt(column, "an object cannot be compared");
    case Value::KIND_NOT_SET:
      break;
  }
  return ErrorAt(column, "a Value that holds nothing; send null");
}

bool IsLiteral(const Node& node) { return node.op == Operator::kLiteral; }

bool IsMissing(const Node& node) {
  return IsLiteral(node) && node.value.index() == 0;
}

bool IsNumber(Type type) { return type == Type::kInt || type == Type::kDouble; }

bool IsInteger(Type type) {
  return type == Type::kInt || type == Type::kTimestamp ||
         type == Type::kDuration;
}

absl::Status Adapt(Node& literal, Type type, const Syntax& syntax) {
  if (IsMissing(literal) || literal.type == type) {
    literal.type = type;
    return absl::OkStatus();
  }
  if (literal.type == Type::kInt && type == Type::kDouble) {
    literal.value = static_cast<double>(std::get<int64_t>(literal.value));
  } else if (literal.type == Type::kString) {
    RETURN_IF_ERROR(AdaptString(literal, type, syntax));
  } else {
    return Misfit(syntax, type, literal.type);
  }
  literal.type = type;
  return absl::OkStatus();
}

absl::Status AdaptExactly(Node& literal, Type type, const Syntax& syntax) {
  if (IsMissing(literal)) {
    literal.type = type;
  } else if (literal.type == Type::kInt && type == Type::kDouble) {
    const int64_t whole = std::get<int64_t>(literal.value);
    const auto number = static_cast<double>(whole);
    if (IsWhole(number) && static_cast<int64_t>(number) == whole) {
      literal.value = number;
      literal.type = type;
    }
  } else if (literal.type == Type::kDouble && type == Type::kInt) {
    const double number = std::get<double>(literal.value);
    if (!IsWhole(number)) return absl::OkStatus();
    if (!syntax.parameter.empty()) {
      return ErrorAt(syntax.column,
                     "is an int beyond +-2^53, where a number is not exact; "
                     "send it as a decimal string");
    }
    literal.value = static_cast<int64_t>(number);
    literal.type = type;
  }
  return absl::OkStatus();
}

absl::Status CheckPattern(const std::string& pattern, int column) {
  if (pattern.size() > kMaxPatternBytes) {
    return ErrorAt(column, absl::StrCat("a pattern has at most ",
                                        kMaxPatternBytes, " bytes"));
  }
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\') continue;
    ++i;
    if (i == pattern.size() ||
        (pattern[i] != '%' && pattern[i] != '_' && pattern[i] != '\\')) {
      return ErrorAt(column,
                     "in a pattern %, _ or another backslash follows a "
                     "backslash");
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::filter
