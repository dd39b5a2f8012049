#include "libs/json/json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace engram::json {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

namespace dom = simdjson::dom;

// Beyond these a double skips whole numbers.
constexpr int64_t kExactLimit = int64_t{1} << 53;

void CopyObject(dom::object from, Struct* to);

void CopyInteger(int64_t number, Value* to) {
  if (number > -kExactLimit && number < kExactLimit) {
    to->set_number_value(static_cast<double>(number));
  } else {
    to->set_string_value(absl::StrCat(number));
  }
}

// Recurses at most kMaxDepth deep: the parser has refused the rest.
void CopyValue(dom::element from, Value* to) {
  switch (from.type()) {
    case dom::element_type::ARRAY: {
      ListValue* list = to->mutable_list_value();
      for (dom::element element : dom::array(from)) {
        CopyValue(element, list->add_values());
      }
      break;
    }
    case dom::element_type::OBJECT:
      CopyObject(dom::object(from), to->mutable_struct_value());
      break;
    case dom::element_type::INT64:
      CopyInteger(int64_t(from), to);
      break;
    case dom::element_type::UINT64:  // Only what an int64 cannot hold.
      to->set_string_value(absl::StrCat(uint64_t(from)));
      break;
    case dom::element_type::DOUBLE:
      to->set_number_value(double(from));
      break;
    case dom::element_type::STRING: {
      const std::string_view text(from);
      to->set_string_value(text.data(), text.size());
      break;
    }
    case dom::element_type::BOOL:
      to->set_bool_value(bool(from));
      break;
    case dom::element_type::NULL_VALUE:
      to->set_null_value(google::protobuf::NULL_VALUE);
      break;
  }
}

void CopyObject(dom::object from, Struct* to) {
  auto& fields = *to->mutable_fields();
  for (const dom::key_value_pair pair : from) {
    Value& value = fields[std::string(pair.key)];
    value.Clear();  // A repeated key replaces; without this, lists would join.
    CopyValue(pair.value, &value);
  }
}

std::string Describe(simdjson::error_code code) {
  switch (code) {
    case simdjson::DEPTH_ERROR:
      return absl::StrCat("nests deeper than ", kMaxDepth, " levels");
    case simdjson::UTF8_ERROR:
      return "is not valid UTF-8";
    case simdjson::EMPTY:
      return "is empty";
    case simdjson::CAPACITY:
    case simdjson::MEMALLOC:
      return "is too large";
    case simdjson::UNCLOSED_STRING:
      return "is not JSON: a string is not closed";
    case simdjson::UNESCAPED_CHARS:
      return "is not JSON: a string holds a control character that is not "
             "escaped";
    case simdjson::NUMBER_ERROR:
      return "is not JSON: a number is malformed or out of range";
    case simdjson::STRING_ERROR:
      return "is not JSON: a string holds an escape that does not exist";
    default:
      return "is not JSON: brackets, commas, colons or quotes do not add up";
  }
}

void AppendNumber(double number, std::string* out) {
  if (!std::isfinite(number)) {
    out->append("null");
    return;
  }
  // Without a point or an exponent these would be read as integers: as one that
  // a double does not hold, and as one without a sign.
  const bool reads_as_integer =
      std::abs(number) >= kExactLimit || (number == 0 && std::signbit(number));
  char digits[32];  // The shortest form of a double has at most 24 characters.
  const auto result =
      reads_as_integer ? std::to_chars(digits, digits + sizeof(digits), number,
                                       std::chars_format::scientific)
                       : std::to_chars(digits, digits + sizeof(digits), number);
  out->append(digits, result.ptr);
}

bool AppendElement(dom::element from, std::string* out);

bool AppendString(std::string_view text, std::string* out) {
  AppendQuoted(absl::string_view(text.data(), text.size()), out);
  return text.find('\0') == std::string_view::npos;
}

bool AppendObject(dom::object from, std::string* out) {
  std::vector<dom::key_value_pair> pairs;
  for (const dom::key_value_pair pair : from) pairs.push_back(pair);
  // Stable, so that of a key that is repeated the last one stays the last.
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.key < b.key; });
  bool held = true;
  out->push_back('{');
  const size_t begin = out->size();
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (i + 1 < pairs.size() && pairs[i].key == pairs[i + 1].key) continue;
    if (out->size() > begin) out->push_back(',');
    held &= AppendString(pairs[i].key, out);
    out->push_back(':');
    held &= AppendElement(pairs[i].value, out);
  }
  out->push_back('}');
  return held;
}

bool AppendArray(dom::array from, std::string* out) {
  bool held = true;
  out->push_back('[');
  const size_t begin = out->size();
  for (const dom::element element : from) {
    if (out->size() > begin) out->push_back(',');
    held &= AppendElement(element, out);
  }
  out->push_back(']');
  return held;
}

// False if a string holds NUL. Recurses at most kMaxDepth deep, as CopyValue,
// and writes what AppendJson would write of its result.
bool AppendElement(dom::element from, std::string* out) {
  switch (from.type()) {
    case dom::element_type::ARRAY:
      return AppendArray(dom::array(from), out);
    case dom::element_type::OBJECT:
      return AppendObject(dom::object(from), out);
    case dom::element_type::STRING:
      return AppendString(std::string_view(from), out);
    case dom::element_type::DOUBLE:
      AppendNumber(double(from), out);
      return true;
    case dom::element_type::BOOL:
      out->append(bool(from) ? "true" : "false");
      return true;
    case dom::element_type::NULL_VALUE:
      out->append("null");
      return true;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      break;
  }
  Value number;
  CopyValue(from, &number);
  AppendJson(number, out);
  return true;
}

}  // namespace

struct Parser::Buffers {
  simdjson::simdjson_result<dom::element> Parse(absl::string_view text) {
    // parse() only grows the capacity and would then set its own depth.
    if (parser.capacity() < text.size() || parser.max_depth() != kMaxDepth) {
      const size_t capacity = std::max<size_t>(2 * text.size(), 4096);
      const auto error = parser.allocate(capacity, kMaxDepth);
      if (error != simdjson::SUCCESS) return error;
    }
    return parser.parse(text.data(), text.size());
  }

  dom::parser parser;
};

Parser::Parser() : buffers_(std::make_unique<Buffers>()) {}
Parser::~Parser() = default;

absl::Status Parser::ParseValue(absl::string_view text, Value* value) {
  dom::element root;
  const auto error = buffers_->Parse(text).get(root);
  if (error != simdjson::SUCCESS) {
    return absl::InvalidArgumentError(Describe(error));
  }
  CopyValue(root, value);
  return absl::OkStatus();
}

absl::Status Parser::AppendCanonical(absl::string_view text, std::string* out) {
  dom::element root;
  const auto error = buffers_->Parse(text).get(root);
  if (error != simdjson::SUCCESS) {
    return absl::InvalidArgumentError(Describe(error));
  }
  const size_t size = out->size();
  if (!AppendElement(root, out)) {
    out->resize(size);
    return absl::InvalidArgumentError("holds a NUL character; remove it");
  }
  return absl::OkStatus();
}

absl::Status Parser::ParseObject(absl::string_view text, Struct* object) {
  // Only what begins with a brace can become an object.
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != absl::string_view::npos && text[begin] != '{') {
    return absl::InvalidArgumentError("is not a JSON object");
  }
  Value value;
  absl::Status status = ParseValue(text, &value);
  if (status.ok()) object->Swap(value.mutable_struct_value());
  return status;
}

void AppendQuoted(absl::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  size_t written = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out->append(text.data() + written, i - written);
    written = i + 1;
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      default:
        out->append("\\u00");
        out->push_back(kHex[c >> 4]);
        out->push_back(kHex[c & 15]);
    }
  }
  out->append(text.data() + written, text.size() - written);
  out->push_back('"');
}

void AppendJson(const Value& value, std::string* out) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      AppendNumber(value.number_value(), out);
      break;
    case Value::kStringValue:
      AppendQuoted(value.string_value(), out);
      break;
    case Value::kBoolValue:
      out->append(value.bool_value() ? "true" : "false");
      break;
    case Value::kStructValue:
      AppendJson(value.struct_value(), out);
      break;
    case Value::kListValue: {
      out->push_back('[');
      bool first = true;
      for (const Value& element : value.list_value().values()) {
        if (!std::exchange(first, false)) out->push_back(',');
        AppendJson(element, out);
      }
      out->push_back(']');
      break;
    }
    case Value::kNullValue:
    case Value::KIND_NOT_SET:
      out->append("null");
  }
}

void AppendJson(const Struct& object, std::string* out) {
  std::vector<std::pair<absl::string_view, const Value*>> fields;
  for (const auto& [key, value] : object.fields())
    fields.emplace_back(key, &value);
  std::sort(fields.begin(), fields.end());
  out->push_back('{');
  bool first = true;
  for (const auto& [key, value] : fields) {
    if (!std::exchange(first, false)) out->push_back(',');
    AppendQuoted(key, out);
    out->push_back(':');
    AppendJson(*value, out);
  }
  out->push_back('}');
}

}  // namespace engram::json
