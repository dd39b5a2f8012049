// What people type into a search box, made into what FTS5 matches.
//
//   red apples        both words           red OR green    one of them
//   "red apples"      one after another    NOT red, -red   not this one
//   app*              words that begin so  ( ... )         a group
//   title:red         in this field only; also title:"..." and title:( ... )
//
// NOT binds closest, then AND, which may be left out, then OR. The operators
// are in capitals: `or` is a word.
//
// No query is a mistake. A quote or parenthesis that is never closed ends with
// the query; one that was never opened, an operator without what it needs and a
// word of punctuation only are left out, as are words after the first 64 and
// parentheses within 12 others. Whatever else stands in a word, such as in
// `src/a-b.cc`, `NEAR(` or `x:y` where x is no field, is looked for as the
// tokenizer reads it: words that stand one after another.

#ifndef ENGRAM_SERVICES_STORAGE_TEXT_QUERY_H_
#define ENGRAM_SERVICES_STORAGE_TEXT_QUERY_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::storage {

// Beyond it what is typed is left out. One pair of parentheses may become two
// in what FTS5 is asked, whose parser takes them 32 deep, and conditions 256
// deep.
inline constexpr int kMaxTextWords = 64;
inline constexpr int kMaxTextDepth = 12;

// One node of a query.
struct TextNode {
  enum class Kind {
    kWords,  // `text` in `column`
    kAnd,    // two operands or more, none of them kAnd
    kOr,     // two operands or more, none of them kOr
    kNot,    // one operand, which is not kNot
  };

  Kind kind = Kind::kWords;
  // Valid UTF-8 without quotes or control characters, of which the tokenizer
  // makes at least one word: they stand one after another.
  std::string text;
  // Whether the last word is the beginning of one.
  bool is_prefix = false;
  // Which of the index's columns it is in; -1 is any.
  int column = -1;
  std::vector<TextNode> operands;
};

// Reads any bytes as a query over an index of these columns. `has_words` says
// whether the index's tokenizer makes a word of a text. Nothing if there is no
// word to look for.
std::optional<TextNode> ParseTextQuery(
    absl::string_view query, absl::Span<const std::string> columns,
    absl::FunctionRef<bool(absl::string_view)> has_words);

// The query as FTS5 takes it after MATCH; every word of it is a string there.
// Nothing if records without any of the words meet it, as they do `NOT red` and
// `red OR NOT green`: a full-text index does not list those.
std::optional<std::string> MatchExpression(
    const TextNode& query, absl::Span<const std::string> columns);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TEXT_QUERY_H_
