#include "tools/engramctl/json_object.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/json/json.h"

namespace engram::engramctl {

void JsonObject::Key(absl::string_view key) {
  if (text_.size() > 1) text_.push_back(',');
  json::AppendQuoted(key, &text_);
  text_.push_back(':');
}

JsonObject& JsonObject::Text(absl::string_view key, absl::string_view value) {
  Key(key);
  json::AppendQuoted(value, &text_);
  return *this;
}

JsonObject& JsonObject::Int(absl::string_view key, int64_t value) {
  constexpr int64_t kExactLimit = int64_t{1} << 53;
  if (value <= -kExactLimit || value >= kExactLimit) {
    return Text(key, absl::StrCat(value));
  }
  Key(key);
  absl::StrAppend(&text_, value);
  return *this;
}

JsonObject& JsonObject::Number(absl::string_view key, double value) {
  Key(key);
  google::protobuf::Value number;
  number.set_number_value(value);
  json::AppendJson(number, &text_);
  return *this;
}

JsonObject& JsonObject::Float(absl::string_view key, float value) {
  if (!std::isfinite(value)) return Number(key, value);
  Key(key);
  char digits[32];  // The shortest form of a float has at most 16 characters.
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  text_.append(digits, result.ptr);
  return *this;
}

JsonObject& JsonObject::Bool(absl::string_view key, bool value) {
  Key(key);
  text_.append(value ? "true" : "false");
  return *this;
}

JsonObject& JsonObject::Object(absl::string_view key, const JsonObject& value) {
  Key(key);
  text_.append(value.ToString());
  return *this;
}

JsonObject& JsonObject::Value(absl::string_view key,
                              const google::protobuf::Value& value) {
  Key(key);
  json::AppendJson(value, &text_);
  return *this;
}

JsonObject& JsonObject::Struct(absl::string_view key,
                               const google::protobuf::Struct& value) {
  Key(key);
  json::AppendJson(value, &text_);
  return *this;
}

JsonObject& JsonObject::List(absl::string_view key,
                             const std::vector<JsonObject>& values) {
  Key(key);
  absl::StrAppend(&text_, "[",
                  absl::StrJoin(values, ",",
                                [](std::string* out, const JsonObject& object) {
                                  out->append(object.ToString());
                                }),
                  "]");
  return *this;
}

JsonObject& JsonObject::Texts(absl::string_view key,
                              const std::vector<std::string>& values) {
  Key(key);
  absl::StrAppend(&text_, "[",
                  absl::StrJoin(values, ",",
                                [](std::string* out, const std::string& text) {
                                  json::AppendQuoted(text, out);
                                }),
                  "]");
  return *this;
}

std::string JsonObject::ToString() const { return text_ + "}"; }

}  // namespace engram::engramctl
