#include "libs/chunk/token_count.h"

#include "absl/strings/ascii.h"
#include "libs/chunk/characters.h"

namespace engram::chunk {
namespace {

// ASCII letters or digits of one word that make a token.
constexpr int kLettersPerToken = 5;

}  // namespace

int EstimateTokens(absl::string_view text) {
  int tokens = 0, letters = 0, short_characters = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = CharacterAt(text, at);
    at += character.size;
    const bool is_letter =
        character.size == 1 && absl::ascii_isalnum(text[at - 1]);
    if (is_letter) {
      if (letters++ % kLettersPerToken == 0) ++tokens;
      continue;
    }
    letters = 0;
    if (character.kind == CharacterKind::kBlank) continue;
    if (character.size == 2) {
      if (short_characters++ % 2 == 0) ++tokens;
    } else {
      ++tokens;
    }
  }
  return tokens;
}

}  // namespace engram::chunk
