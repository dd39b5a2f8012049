#ifndef ENGRAM_SERVICES_STORAGE_TEXT_LEXER_H_
#define ENGRAM_SERVICES_STORAGE_TEXT_LEXER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::storage {

// One piece of a text query; text_query.h has the language.
struct TextToken {
  enum class Kind { kWords, kOpen, kClose, kAnd, kOr, kNot };

  Kind kind = Kind::kWords;
  // Of kWords, as TextNode has it, but perhaps without a word.
  std::string text;
  bool is_prefix = false;
  // Of kWords and kOpen: the column that they are said to be in; else -1.
  int column = -1;
};

// Takes any bytes apart. What is no UTF-8, control characters and white space
// of any script only keep words apart.
std::vector<TextToken> ReadTextTokens(absl::string_view query,
                                      absl::Span<const std::string> columns);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TEXT_LEXER_H_
