#ifndef ENGRAM_LIBS_FILTER_LEXER_H_
#define ENGRAM_LIBS_FILTER_LEXER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::filter {

struct Token {
  enum class Kind {
    kEnd,
    kName,        // keywords too
    kQuotedName,  // `name`; `text` is without the backticks
    kNumber,      // as written
    kDuration,    // `duration_us`
    kString,      // decoded
    kParameter,   // `text` is without the colon
    kSymbol,      // such as `<=`
  };
  Kind kind = Kind::kEnd;
  // Of its first character, from 1.
  int column = 1;
  std::string text;
  int64_t duration_us = 0;
};

// Splits a text; the last token is the only kEnd. `InvalidArgument` with the
// column if it holds what is no token, or is too long or no valid UTF-8.
absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view text);

// `InvalidArgument` whose message begins with the column.
absl::Status ErrorAt(int column, absl::string_view message);

// Reads a duration such as `7d`, `1h30m` or `1h 30m`, in microseconds; nothing
// if it is none or longer than 64 bits hold.
std::optional<int64_t> ReadDuration(absl::string_view text);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_LEXER_H_
