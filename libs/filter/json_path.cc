#include "libs/filter/json_path.h"

#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "libs/json/json.h"

namespace engram::filter {
namespace {

// Goes over a JSON text value by value, without making anything of it.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  // The text of the value that begins here, which it goes past; empty if there
  // is none.
  absl::string_view Value() {
    const size_t begin = at_;
    if (at_ == text_.size()) return "";
    const char first = text_[at_];
    if (first == '"') {
      SkipString();
    } else if (first == '{' || first == '[') {
      SkipNested();
    } else {
      at_ = text_.find_first_of(",]}", at_);
      if (at_ == absl::string_view::npos) at_ = text_.size();
    }
    return text_.substr(begin, at_ - begin);
  }

  bool Accept(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

 private:
  void SkipString() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
    }
    if (at_ < text_.size()) ++at_;
  }

  // Counts brackets instead of recursing.
  void SkipNested() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        SkipString();
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return;
    }
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

std::optional<absl::string_view> FindKey(absl::string_view object,
                                         absl::string_view key) {
  // Keys are compared as written, which is the same for equal ones.
  std::string quoted;
  json::AppendQuoted(key, &quoted);
  Scanner scanner(object);
  if (!scanner.Accept('{')) return std::nullopt;
  do {
    const absl::string_view its_key = scanner.Value();
    if (!scanner.Accept(':')) return std::nullopt;
    const absl::string_view value = scanner.Value();
    if (its_key == quoted) return value;
  } while (scanner.Accept(','));
  return std::nullopt;
}

std::optional<absl::string_view> FindIndex(absl::string_view list, int index) {
  std::optional<absl::string_view> found;
  AnyElement(list, [&](absl::string_view element) {
    if (index-- > 0) return false;
    found = element;
    return true;
  });
  return found;
}

}  // namespace

bool AnyElement(absl::string_view list,
                absl::FunctionRef<bool(absl::string_view element)> visit) {
  Scanner scanner(list);
  if (!scanner.Accept('[') || scanner.Accept(']')) return false;
  do {
    if (visit(scanner.Value())) return true;
  } while (scanner.Accept(','));
  return false;
}

std::optional<absl::string_view> FindJson(absl::string_view json,
                                          const std::vector<PathStep>& path) {
  std::optional<absl::string_view> value = json;
  for (const PathStep& step : path) {
    value = step.index < 0 ? FindKey(*value, step.key)
                           : FindIndex(*value, step.index);
    if (!value.has_value()) return std::nullopt;
  }
  return value;
}

std::string SqlitePath(const std::vector<PathStep>& path) {
  std::string text = "$";
  for (const PathStep& step : path) {
    if (step.index >= 0) {
      absl::StrAppend(&text, "[", step.index, "]");
      continue;
    }
    // SQLite compares the text between the quotes with the key as written.
    text.push_back('.');
    json::AppendQuoted(step.key, &text);
  }
  return text;
}

std::optional<double> JsonNumber(absl::string_view value) {
  if (value.empty() || !(absl::ascii_isdigit(value[0]) || value[0] == '-')) {
    return std::nullopt;
  }
  double number = 0;
  if (!absl::SimpleAtod(value, &number) || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

std::optional<bool> JsonBool(absl::string_view value) {
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

std::optional<std::string> JsonString(absl::string_view value) {
  if (value.size() < 2 || value[0] != '"') return std::nullopt;
  const absl::string_view inner = value.substr(1, value.size() - 2);
  if (inner.find('\\') == absl::string_view::npos) return std::string(inner);
  thread_local json::Parser parser;
  google::protobuf::Value decoded;
  if (!parser.ParseValue(value, &decoded).ok()) return std::nullopt;
  return std::move(*decoded.mutable_string_value());
}

}  // namespace engram::filter
