// How many tokens a text has for a model.

#ifndef ENGRAM_LIBS_CHUNK_TOKEN_COUNT_H_
#define ENGRAM_LIBS_CHUNK_TOKEN_COUNT_H_

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace engram::chunk {

// A model's own count; 0 or more, the same whenever it is asked.
using TokenCounter = absl::FunctionRef<int(absl::string_view text)>;

// An estimate for models whose tokenizer is not at hand: a token for every five
// ASCII letters or digits of a word and for every other ASCII character, half a
// one for a letter of two bytes in UTF-8, one for any other character. English
// prose gets about 1.3 tokens a word, as the common tokenizers give it.
int EstimateTokens(absl::string_view text);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_TOKEN_COUNT_H_
