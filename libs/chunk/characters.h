// The characters of a text in UTF-8, as far as cutting it needs to know them.

#ifndef ENGRAM_LIBS_CHUNK_CHARACTERS_H_
#define ENGRAM_LIBS_CHUNK_CHARACTERS_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace engram::chunk {

enum class CharacterKind {
  kBlank,        // spaces, and what is not seen
  kWord,         // what words are made of
  kIdeograph,    // a word by itself, as in Chinese and Japanese
  kSentenceEnd,  // `.`, `!`, `?` and their like
  kClosing,  // what may stand between the end and the next sentence: `"`, `)`
  kPunctuation,
};

struct Character {
  // In bytes, 1 to 4.
  int size = 1;
  CharacterKind kind = CharacterKind::kWord;
};

// The character that begins at `at`, before the end of `text`. A byte that
// begins none is one by itself.
Character CharacterAt(absl::string_view text, size_t at);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_CHARACTERS_H_
