#include "tools/engramctl/field_text.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Value;
using schema::FieldType;

constexpr int64_t kExactLimit = int64_t{1} << 53;
constexpr size_t kShownBytes = 40;

absl::Status Wrong(absl::string_view wanted, absl::string_view text) {
  std::string shown;
  json::AppendQuoted(CutText(text, kShownBytes), &shown);
  return absl::InvalidArgumentError(
      absl::StrCat("wants ", wanted, "; got ", shown));
}

absl::StatusOr<Value> ParseJson(absl::string_view text) {
  thread_local json::Parser parser;
  Value value;
  RETURN_IF_ERROR(parser.ParseValue(text, &value));
  return value;
}

// Whether `text` is a whole number that a double does not hold exactly.
bool IsLongNumber(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  if (text.size() < 16 ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isdigit)) {
    return false;
  }
  uint64_t number = 0;
  return !absl::SimpleAtoi(text, &number) || number >= kExactLimit;
}

}  // namespace

absl::StatusOr<Value> ParseFieldText(FieldType type, absl::string_view text) {
  Value value;
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
    case FieldType::kTimestamp:
    case FieldType::kBytes:
      value.set_string_value(std::string(text));
      return value;
    case FieldType::kInt: {
      int64_t number = 0;
      if (!absl::SimpleAtoi(text, &number)) return Wrong("an int", text);
      value.set_string_value(absl::StrCat(number));  // Exact at any size.
      return value;
    }
    case FieldType::kDouble: {
      double number = 0;
      if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) {
        return Wrong("a number", text);
      }
      value.set_number_value(number);
      return value;
    }
    case FieldType::kBool: {
      bool truth = false;
      if (!absl::SimpleAtob(text, &truth)) return Wrong("true or false", text);
      value.set_bool_value(truth);
      return value;
    }
    case FieldType::kJson: {
      auto parsed = ParseJson(text);
      return parsed.ok() ? parsed : Wrong("JSON", text);
    }
    case FieldType::kStrings: {
      auto parsed = ParseJson(text);
      if (parsed.ok() && parsed->has_list_value()) return parsed;
      return Wrong("a JSON list of strings, such as [\"a\",\"b\"]", text);
    }
  }
  return absl::InternalError("a field of no type");
}

Value ParseAnyText(absl::string_view text) {
  auto parsed = ParseJson(text);
  if (parsed.ok()) return *std::move(parsed);
  Value value;
  value.set_string_value(std::string(text));
  return value;
}

absl::StatusOr<std::string> IdOf(const google::protobuf::Value& value) {
  std::string id;
  if (value.has_string_value()) {
    id = value.string_value();
  } else if (value.has_number_value() &&
             std::trunc(value.number_value()) == value.number_value()) {
    // What a double does not hold exactly has come as a string.
    id = absl::StrCat(static_cast<int64_t>(value.number_value()));
  } else {
    return absl::InvalidArgumentError("is no string and no whole number");
  }
  if (id.empty()) return absl::InvalidArgumentError("is empty");
  return id;
}

void FitNumbers(const schema::CollectionSpec& spec,
                google::protobuf::Struct* fields) {
  for (auto& [name, value] : *fields->mutable_fields()) {
    if (!value.has_string_value() || !IsLongNumber(value.string_value())) {
      continue;
    }
    const schema::FieldSpec* field = spec.FindField(name);
    double number = 0;
    if (field != nullptr && field->type == FieldType::kDouble &&
        absl::SimpleAtod(value.string_value(), &number) &&
        std::isfinite(number)) {
      value.set_number_value(number);
    }
  }
}

}  // namespace engram::engramctl
