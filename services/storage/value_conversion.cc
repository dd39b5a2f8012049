#include "services/storage/value_conversion.h"

#include <cmath>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

using google::protobuf::Value;
using schema::FieldType;
using schema::FieldValue;

// A type whose values are plain text.
bool IsText(FieldType type) {
  return type == FieldType::kString || type == FieldType::kText ||
         type == FieldType::kRef;
}

absl::Status NoCounterpart(FieldType from, FieldType to,
                           const FieldValue& value) {
  return absl::InvalidArgumentError(absl::StrCat(
      schema::ShowValue(from, value), " is no ", schema::FieldTypeName(to)));
}

absl::StatusOr<Value> ParseJson(absl::string_view text) {
  static thread_local json::Parser parser;
  Value value;
  RETURN_IF_ERROR(parser.ParseValue(text, &value));
  return value;
}

std::string ToJson(const Value& value) {
  std::string text;
  json::AppendJson(value, &text);
  return text;
}

absl::StatusOr<FieldValue> ParseText(FieldType to, const std::string& text) {
  Value value;
  switch (to) {
    case FieldType::kDouble: {
      double number;
      if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) {
        return absl::InvalidArgumentError("no number");
      }
      return FieldValue(number);
    }
    case FieldType::kBool: {
      bool truth;
      if (!absl::SimpleAtob(text, &truth)) {
        return absl::InvalidArgumentError("no bool");
      }
      return FieldValue(int64_t{truth});
    }
    case FieldType::kBytes:
      return FieldValue(schema::Blob{text});
    case FieldType::kJson: {
      ASSIGN_OR_RETURN(value, ParseJson(text));
      return schema::DecodeValue(to, value);
    }
    case FieldType::kStrings:
      value.mutable_list_value()->add_values()->set_string_value(text);
      return schema::DecodeValue(to, value);
    default:
      value.set_string_value(text);
      return schema::DecodeValue(to, value);
  }
}

absl::StatusOr<FieldValue> ToText(FieldType from, FieldType to,
                                  const FieldValue& value) {
  Value text;
  switch (from) {
    case FieldType::kInt:
      text.set_string_value(absl::StrCat(std::get<int64_t>(value)));
      break;
    case FieldType::kBool:
      text.set_string_value(std::get<int64_t>(value) != 0 ? "true" : "false");
      break;
    case FieldType::kBytes:
      text.set_string_value(std::get<schema::Blob>(value).bytes);
      break;
    case FieldType::kDouble: {
      RETURN_IF_ERROR(schema::EncodeValue(from, value, &text));
      text.set_string_value(ToJson(text));
      break;
    }
    case FieldType::kJson: {
      const auto& json = std::get<std::string>(value);
      ASSIGN_OR_RETURN(text, ParseJson(json));
      // A JSON string says its text; anything else stays JSON.
      if (!text.has_string_value()) text.set_string_value(json);
      break;
    }
    default:
      RETURN_IF_ERROR(schema::EncodeValue(from, value, &text));
  }
  return schema::DecodeValue(to, text);
}

absl::StatusOr<FieldValue> Convert(FieldType from, FieldType to,
                                   const FieldValue& value) {
  if (IsText(from)) return ParseText(to, std::get<std::string>(value));
  if (IsText(to)) return ToText(from, to, value);
  if (to == FieldType::kBool) {
    const auto number = std::get<int64_t>(value);
    if (number != 0 && number != 1) return absl::InvalidArgumentError("");
    return value;
  }
  if (to == FieldType::kDouble && from == FieldType::kInt) {
    const auto number = static_cast<double>(std::get<int64_t>(value));
    // 2^63 itself would not come back as an int64.
    if (number >= 0x1p63 ||
        static_cast<int64_t>(number) != std::get<int64_t>(value)) {
      return absl::InvalidArgumentError("");
    }
    return FieldValue(number);
  }
  if (to == FieldType::kInt && from == FieldType::kDouble) {
    const double number = std::get<double>(value);
    if (number != std::trunc(number) || number < -0x1p63 || number >= 0x1p63) {
      return absl::InvalidArgumentError("");
    }
    return FieldValue(static_cast<int64_t>(number));
  }
  // The rest is what json holds, or what becomes json.
  Value travelling;
  if (from == FieldType::kJson) {
    ASSIGN_OR_RETURN(travelling, ParseJson(std::get<std::string>(value)));
  } else {
    RETURN_IF_ERROR(schema::EncodeValue(from, value, &travelling));
  }
  return schema::DecodeValue(to, travelling);
}

}  // namespace

Conversion ConversionBetween(FieldType from, FieldType to) {
  if (from == to || (IsText(from) && IsText(to))) return Conversion::kNone;
  if (from == FieldType::kStrings) {
    return to == FieldType::kJson ? Conversion::kNone : Conversion::kImpossible;
  }
  if (from == FieldType::kBool && to == FieldType::kInt) {
    return Conversion::kNone;
  }
  if (IsText(from) || IsText(to) || from == FieldType::kJson ||
      to == FieldType::kJson) {
    return Conversion::kEachValue;
  }
  const bool is_number =
      (from == FieldType::kInt &&
       (to == FieldType::kDouble || to == FieldType::kBool)) ||
      (from == FieldType::kDouble && to == FieldType::kInt);
  return is_number ? Conversion::kEachValue : Conversion::kImpossible;
}

absl::StatusOr<FieldValue> ConvertValue(FieldType from, FieldType to,
                                        const FieldValue& value) {
  if (value.index() == 0 || ConversionBetween(from, to) == Conversion::kNone) {
    return value;
  }
  absl::StatusOr<FieldValue> converted = Convert(from, to, value);
  // JSON null is a value; of another type it is none.
  if (!converted.ok()) return NoCounterpart(from, to, value);
  return converted;
}

bool AreWireCompatible(FieldType a, FieldType b) {
  const auto is_string = [](FieldType type) {
    return IsText(type) || type == FieldType::kJson;
  };
  return a == b || (is_string(a) && is_string(b));
}

}  // namespace engram::storage
