#include "libs/schema/field_value.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"

namespace engram::schema {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// A number carries whole numbers exactly below this; 2^53 itself is also what
// 2^53 + 1 is rounded to, so it is told apart only as a string.
constexpr double kExactLimit = 9007199254740992.0;
constexpr size_t kShownBytes = 40;

absl::Status Problem(absl::string_view text) {
  return absl::InvalidArgumentError(text);
}

// `text` in quotes, cut to a length that fits a message.
std::string Quoted(absl::string_view text) {
  std::string out;
  if (!simdjson::validate_utf8(text.data(), text.size())) return "bytes";
  if (text.size() <= kShownBytes) {
    json::AppendQuoted(text, &out);
    return out;
  }
  size_t end = kShownBytes;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  json::AppendQuoted(text.substr(0, end), &out);
  out.insert(out.size() - 1, "…");
  return out;
}

// What `value` is, for messages: `the string "x"`.
std::string Describe(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNullValue:
      return "null";
    case Value::kNumberValue: {
      std::string number;
      json::AppendJson(value, &number);
      return absl::StrCat("the number ", number);
    }
    case Value::kStringValue:
      return absl::StrCat("the string ", Quoted(value.string_value()));
    case Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case Value::kStructValue:
      return "an object";
    case Value::kListValue:
      return "a list";
    case Value::KIND_NOT_SET:
      break;
  }
  return "a Value that holds nothing";
}

absl::Status WrongType(absl::string_view wanted, const Value& value) {
  return Problem(absl::StrCat("wants ", wanted, "; got ", Describe(value)));
}

absl::StatusOr<FieldValue> DecodeText(const Value& value) {
  if (!value.has_string_value()) return WrongType("a string", value);
  RETURN_IF_ERROR(CheckText(value.string_value()));
  return FieldValue(value.string_value());
}

absl::StatusOr<FieldValue> DecodeInt(const Value& value) {
  if (value.has_number_value()) {
    const double number = value.number_value();
    if (std::abs(number) >= kExactLimit) {
      return Problem(
          "is an int beyond +-2^53, where a number is not exact; send it as a "
          "decimal string");
    }
    if (std::trunc(number) != number) return WrongType("an int", value);
    return FieldValue(static_cast<int64_t>(number));
  }
  if (!value.has_string_value()) return WrongType("an int", value);
  const std::string& text = value.string_value();
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec == std::errc::result_out_of_range && result.ptr == end) {
    return Problem("is an int beyond 64 bits");
  }
  if (result.ec != std::errc() || result.ptr != end) {
    return WrongType("an int", value);
  }
  return FieldValue(number);
}

absl::StatusOr<FieldValue> DecodeDouble(const Value& value) {
  if (!value.has_number_value()) return WrongType("a number", value);
  if (!std::isfinite(value.number_value())) {
    return Problem("is not a finite number");
  }
  return FieldValue(value.number_value());
}

// Whether `text` has the letter of RFC 3339. absl::ParseTime, which reads it
// then, takes more: white space, longer years, "infinite-future".
bool LooksLikeTimestamp(absl::string_view text) {
  static constexpr absl::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kShape.size() + 1) return false;
  for (size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] == 'd' ? !absl::ascii_isdigit(text[i])
                         : absl::ascii_toupper(text[i]) != kShape[i]) {
      return false;
    }
  }
  text.remove_prefix(kShape.size());
  if (text[0] == '.') {
    text.remove_prefix(1);
    size_t digits = 0;
    while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
    if (digits == 0 || digits > 18) return false;
    text.remove_prefix(digits);
  }
  if (text == "Z" || text == "z") return true;
  return text.size() == 6 && (text[0] == '+' || text[0] == '-') &&
         absl::ascii_isdigit(text[1]) && absl::ascii_isdigit(text[2]) &&
         text[3] == ':' && absl::ascii_isdigit(text[4]) &&
         absl::ascii_isdigit(text[5]);
}

absl::StatusOr<FieldValue> DecodeTimestamp(const Value& value) {
  static constexpr absl::string_view kWanted =
      "an RFC 3339 timestamp such as \"2026-01-31T12:00:00Z\"";
  if (!value.has_string_value()) return WrongType(kWanted, value);
  if (!LooksLikeTimestamp(value.string_value()))
    return WrongType(kWanted, value);
  // RFC 3339 allows lower-case letters, absl does not.
  const std::string text = absl::AsciiStrToUpper(value.string_value());
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return WrongType(kWanted, value);
  }
  const int64_t microseconds = absl::ToUnixMicros(time);
  if (microseconds < kMinTimestamp || microseconds > kMaxTimestamp) {
    return Problem("is a timestamp outside the years 1 to 9999");
  }
  return FieldValue(microseconds);
}

absl::Status CheckJson(const Value& value);

absl::Status CheckJson(const Struct& object) {
  for (const auto& [key, value] : object.fields()) {
    RETURN_IF_ERROR(CheckText(key));
    RETURN_IF_ERROR(CheckJson(value));
  }
  return absl::OkStatus();
}

// Recurses no deeper than protobuf let the message nest.
absl::Status CheckJson(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      if (std::isfinite(value.number_value())) break;
      return Problem("holds a number that is not finite");
    case Value::kStringValue:
      return CheckText(value.string_value());
    case Value::kStructValue:
      return CheckJson(value.struct_value());
    case Value::kListValue:
      for (const Value& element : value.list_value().values()) {
        RETURN_IF_ERROR(CheckJson(element));
      }
      break;
    case Value::kNullValue:
    case Value::kBoolValue:
      break;
    case Value::KIND_NOT_SET:
      return Problem("holds a Value that holds nothing; send null");
  }
  return absl::OkStatus();
}

absl::StatusOr<FieldValue> DecodeJson(const Value& value) {
  RETURN_IF_ERROR(CheckJson(value));
  std::string text;
  json::AppendJson(value, &text);
  return FieldValue(std::move(text));
}

absl::StatusOr<FieldValue> DecodeBytes(const Value& value) {
  Blob blob;
  if (!value.has_string_value() ||
      !(absl::Base64Unescape(value.string_value(), &blob.bytes) ||
        absl::WebSafeBase64Unescape(value.string_value(), &blob.bytes))) {
    return WrongType("bytes as base64", value);
  }
  return FieldValue(std::move(blob));
}

absl::StatusOr<FieldValue> DecodeStrings(const Value& value) {
  if (!value.has_list_value()) return WrongType("a list of strings", value);
  const auto& elements = value.list_value().values();
  for (int i = 0; i < elements.size(); ++i) {
    if (!elements[i].has_string_value()) {
      return Problem(absl::StrCat("wants a list of strings; element ", i,
                                  " is ", Describe(elements[i])));
    }
    const absl::Status status = CheckText(elements[i].string_value());
    if (!status.ok()) {
      return Problem(
          absl::StrCat("has an element ", i, " that ", status.message()));
    }
  }
  std::string text;
  json::AppendJson(value, &text);
  return FieldValue(std::move(text));
}

absl::Status WrongColumn(FieldType type) {
  return absl::DataLossError(
      absl::StrCat("a column holds what is no ", FieldTypeName(type)));
}

absl::Status EncodeInteger(FieldType type, int64_t number, Value* out) {
  switch (type) {
    case FieldType::kInt:
      if (std::abs(static_cast<double>(number)) < kExactLimit) {
        out->set_number_value(static_cast<double>(number));
      } else {
        out->set_string_value(absl::StrCat(number));
      }
      return absl::OkStatus();
    case FieldType::kBool:
      if (number != 0 && number != 1) break;
      out->set_bool_value(number == 1);
      return absl::OkStatus();
    case FieldType::kTimestamp:
      if (number < kMinTimestamp || number > kMaxTimestamp) break;
      out->set_string_value(FormatTimestamp(number));
      return absl::OkStatus();
    default:
      break;
  }
  return WrongColumn(type);
}

absl::Status EncodeText(FieldType type, const std::string& text, Value* out) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
      if (!simdjson::validate_utf8(text)) break;
      out->set_string_value(text);
      return absl::OkStatus();
    case FieldType::kJson:
    case FieldType::kStrings: {
      thread_local json::Parser parser;
      if (!parser.ParseValue(text, out).ok()) break;
      if (type == FieldType::kStrings && !out->has_list_value()) break;
      return absl::OkStatus();
    }
    default:
      break;
  }
  return WrongColumn(type);
}

}  // namespace

absl::Status CheckText(absl::string_view text) {
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return Problem("is not valid UTF-8");
  }
  // SQLite's functions and its shell take NUL for the end of a text.
  if (absl::StrContains(text, absl::string_view("\0", 1))) {
    return Problem("holds a NUL character; remove it");
  }
  return absl::OkStatus();
}

absl::string_view FieldTypeName(FieldType type) {
  switch (type) {
    case FieldType::kString:
      return "string";
    case FieldType::kText:
      return "text";
    case FieldType::kInt:
      return "int";
    case FieldType::kDouble:
      return "double";
    case FieldType::kBool:
      return "bool";
    case FieldType::kTimestamp:
      return "timestamp";
    case FieldType::kJson:
      return "json";
    case FieldType::kBytes:
      return "bytes";
    case FieldType::kStrings:
      return "strings";
    case FieldType::kRef:
      return "ref";
  }
  return "";
}

std::string FormatTimestamp(int64_t microseconds) {
  // Four digits for the year, which %Y does not give.
  const absl::Time time = absl::FromUnixMicros(microseconds);
  const auto civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  std::string text = absl::StrFormat("%04d", civil.year());
  return text +
         absl::FormatTime("-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<FieldValue> DecodeValue(FieldType type, const Value& value) {
  if (value.has_null_value()) return FieldValue();
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
      return DecodeText(value);
    case FieldType::kInt:
      return DecodeInt(value);
    case FieldType::kDouble:
      return DecodeDouble(value);
    case FieldType::kBool:
      if (!value.has_bool_value()) return WrongType("true or false", value);
      return FieldValue(int64_t{value.bool_value()});
    case FieldType::kTimestamp:
      return DecodeTimestamp(value);
    case FieldType::kJson:
      return DecodeJson(value);
    case FieldType::kBytes:
      return DecodeBytes(value);
    case FieldType::kStrings:
      return DecodeStrings(value);
  }
  return absl::InternalError("a field of no type");
}

absl::Status EncodeValue(FieldType type, const FieldValue& value, Value* out) {
  if (std::holds_alternative<std::monostate>(value)) {
    out->set_null_value(google::protobuf::NULL_VALUE);
    return absl::OkStatus();
  }
  if (const auto* number = std::get_if<int64_t>(&value)) {
    return EncodeInteger(type, *number, out);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return EncodeText(type, *text, out);
  }
  if (const auto* number = std::get_if<double>(&value)) {
    if (type != FieldType::kDouble || !std::isfinite(*number)) {
      return WrongColumn(type);
    }
    out->set_number_value(*number);
    return absl::OkStatus();
  }
  if (type != FieldType::kBytes) return WrongColumn(type);
  out->set_string_value(absl::Base64Escape(std::get<Blob>(value).bytes));
  return absl::OkStatus();
}

std::string ShowValue(FieldType type, const FieldValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    if (type == FieldType::kTimestamp) return FormatTimestamp(*number);
    if (type == FieldType::kBool) return *number != 0 ? "true" : "false";
    return absl::StrCat(*number);
  }
  if (const auto* text = std::get_if<std::string>(&value)) return Quoted(*text);
  if (const auto* number = std::get_if<double>(&value)) {
    return absl::StrCat(*number);
  }
  if (const auto* blob = std::get_if<Blob>(&value)) {
    return absl::StrCat(blob->bytes.size(), " bytes");
  }
  return "null";
}

int64_t CountCharacters(absl::string_view text) {
  // Every byte but the continuations begins one.
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace engram::schema
