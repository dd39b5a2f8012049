#include "services/storage/text_lexer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace engram::storage {
namespace {

using Kind = TextToken::Kind;

bool SeparatesWords(int32_t code_point) {
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return false;
  }
}

// The text with a plain space for each character that only keeps words apart,
// so that what follows may look at single bytes.
std::string WithPlainSpaces(absl::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    int32_t code_point = 0;
    const auto length = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
        static_cast<utf8proc_ssize_t>(text.size()), &code_point);
    if (length <= 0 || SeparatesWords(code_point)) {
      plain.push_back(' ');
    } else {
      absl::StrAppend(&plain, text.substr(0, length));
    }
    text.remove_prefix(length <= 0 ? 1 : length);
  }
  return plain;
}

class Lexer {
 public:
  Lexer(absl::string_view text, absl::Span<const std::string> columns)
      : text_(text), columns_(columns) {}

  std::vector<TextToken> Read() {
    while (at_ < text_.size()) {
      switch (text_[at_]) {
        case ' ':
          ++at_;
          break;
        case '(':
          AddOpen(/*column=*/-1);
          break;
        case ')':
          ++at_;
          tokens_.push_back({.kind = Kind::kClose});
          break;
        case '"':
          AddPhrase(/*column=*/-1);
          break;
        default:
          if (IsMinus()) {
            ++at_;
            tokens_.push_back({.kind = Kind::kNot});
          } else {
            AddWord();
          }
      }
    }
    return std::move(tokens_);
  }

 private:
  // Whether a `-` negates what follows: `a -b`, but not `a - b`, `a-b`, or
  // `--b`, which is how people write options.
  bool IsMinus() const {
    const auto is_one_of = [&](size_t at, absl::string_view characters) {
      return absl::StrContains(characters, text_[at]);
    };
    return text_[at_] == '-' && (at_ == 0 || is_one_of(at_ - 1, " (")) &&
           at_ + 1 < text_.size() && !is_one_of(at_ + 1, " -)");
  }

  void AddOpen(int column) {
    ++at_;
    tokens_.push_back({.kind = Kind::kOpen, .column = column});
  }

  void AddPhrase(int column) {
    const size_t begin = at_ + 1;
    const size_t end = text_.find('"', begin);
    TextToken token{.text = std::string(text_.substr(begin, end - begin)),
                    .column = column};
    at_ = end == absl::string_view::npos ? text_.size() : end + 1;
    while (at_ < text_.size() && text_[at_] == '*') {
      ++at_;
      token.is_prefix = true;
    }
    tokens_.push_back(std::move(token));
  }

  void AddWord() {
    const size_t end =
        std::min(text_.find_first_of(" ()\"", at_), text_.size());
    absl::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    if (word == "AND" || word == "OR" || word == "NOT") {
      tokens_.push_back({.kind = word == "AND"  ? Kind::kAnd
                                 : word == "OR" ? Kind::kOr
                                                : Kind::kNot});
      return;
    }
    const int column = FindColumn(word);
    if (column >= 0) {
      const absl::string_view rest = word.substr(columns_[column].size() + 1);
      const char next = at_ < text_.size() ? text_[at_] : ' ';
      if (rest.empty() && next == '"') return AddPhrase(column);
      if (rest.empty() && next == '(') return AddOpen(column);
      // `title:` alone is the word that it is.
      if (!rest.empty()) return AddText(rest, column);
    }
    AddText(word, /*column=*/-1);
  }

  void AddText(absl::string_view text, int column) {
    TextToken token{.column = column};
    while (absl::ConsumeSuffix(&text, "*")) token.is_prefix = true;
    token.text = std::string(text);
    tokens_.push_back(std::move(token));
  }

  // The column that `word` begins with, before a colon; else -1.
  int FindColumn(absl::string_view word) const {
    const size_t colon = word.find(':');
    if (colon == absl::string_view::npos) return -1;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i] == word.substr(0, colon)) return static_cast<int>(i);
    }
    return -1;
  }

  const absl::string_view text_;
  const absl::Span<const std::string> columns_;
  size_t at_ = 0;
  std::vector<TextToken> tokens_;
};

}  // namespace

std::vector<TextToken> ReadTextTokens(absl::string_view query,
                                      absl::Span<const std::string> columns) {
  const std::string text = WithPlainSpaces(query);
  return Lexer(text, columns).Read();
}

}  // namespace engram::storage
