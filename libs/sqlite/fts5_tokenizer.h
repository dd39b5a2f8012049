#ifndef ENGRAM_LIBS_SQLITE_FTS5_TOKENIZER_H_
#define ENGRAM_LIBS_SQLITE_FTS5_TOKENIZER_H_

#include <sqlite3.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sqlite/connection.h"

namespace engram::sqlite {

// What a full-text index takes for the words of a text, by the tokenizer that
// FTS5 itself uses.
//
// Not thread-safe. Must not outlive the connection that it was made with.
class Fts5Tokenizer {
 public:
  // `name` as the `tokenize` option has it, such as `porter unicode61`.
  // `NotFound` if there is no such tokenizer.
  static absl::StatusOr<Fts5Tokenizer> Create(Connection& connection,
                                              absl::string_view name);

  Fts5Tokenizer(Fts5Tokenizer&& other) noexcept;
  Fts5Tokenizer& operator=(Fts5Tokenizer&&) = delete;
  ~Fts5Tokenizer();

  // The words of a text that is searched for, as the index holds them.
  absl::StatusOr<std::vector<std::string>> QueryWords(absl::string_view text) {
    return Words(text, FTS5_TOKENIZE_QUERY);
  }
  // The words of a text that is searched in.
  absl::StatusOr<std::vector<std::string>> DocumentWords(
      absl::string_view text) {
    return Words(text, FTS5_TOKENIZE_DOCUMENT);
  }
  // Whether the first has any.
  absl::StatusOr<bool> HasQueryWords(absl::string_view text);

 private:
  Fts5Tokenizer(fts5_tokenizer methods, ::Fts5Tokenizer* tokenizer)
      : methods_(methods), tokenizer_(tokenizer) {}

  absl::StatusOr<std::vector<std::string>> Words(absl::string_view text,
                                                 int purpose);

  fts5_tokenizer methods_;
  ::Fts5Tokenizer* tokenizer_;
};

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_FTS5_TOKENIZER_H_
