#include "services/storage/json_text.h"

#include "absl/strings/str_join.h"
#include "libs/json/json.h"

namespace engram::storage {
namespace {

// Returns where the value ends that begins at `begin`: at the comma, colon or
// bracket that follows it, or at the end of the text.
size_t EndOfValue(absl::string_view json, size_t begin) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = begin; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
      continue;
    }
    switch (c) {
      case '"':
        quoted = true;
        break;
      case '[':
      case '{':
        ++depth;
        break;
      case ']':
      case '}':
        if (depth == 0) return i;
        --depth;
        break;
      case ',':
      case ':':
        if (depth == 0) return i;
        break;
      default:
        break;
    }
  }
  return json.size();
}

// What stands in an object under the key, given as JSON.
std::optional<absl::string_view> FindMember(absl::string_view object,
                                            absl::string_view key) {
  if (object.empty() || object.front() != '{') return std::nullopt;
  size_t begin = 1;
  while (begin < object.size() && object[begin] != '}') {
    const size_t colon = EndOfValue(object, begin);
    if (colon >= object.size() || object[colon] != ':') return std::nullopt;
    const size_t end = EndOfValue(object, colon + 1);
    if (object.substr(begin, colon - begin) == key) {
      return object.substr(colon + 1, end - colon - 1);
    }
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace

std::vector<absl::string_view> ListElements(absl::string_view list) {
  std::vector<absl::string_view> elements;
  if (!IsJsonList(list)) return elements;
  size_t begin = 1;
  while (begin < list.size() && list[begin] != ']') {
    const size_t end = EndOfValue(list, begin);
    elements.push_back(list.substr(begin, end - begin));
    // What is neither the comma nor the bracket is no list's.
    if (end >= list.size() || list[end] != ',') break;
    begin = end + 1;
  }
  return elements;
}

std::string MakeList(absl::Span<const absl::string_view> elements) {
  return absl::StrCat("[", absl::StrJoin(elements, ","), "]");
}

std::optional<absl::string_view> FindInJson(
    absl::string_view json, absl::Span<const std::string> keys) {
  std::optional<absl::string_view> found = json;
  std::string quoted;
  for (const std::string& key : keys) {
    quoted.clear();
    json::AppendQuoted(key, &quoted);
    found = FindMember(*found, quoted);
    if (!found.has_value()) return std::nullopt;
  }
  return found;
}

}  // namespace engram::storage
