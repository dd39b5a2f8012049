// What SplitText promises, checked on any text.

#ifndef ENGRAM_LIBS_CHUNK_TESTING_CHUNK_CHECKS_H_
#define ENGRAM_LIBS_CHUNK_TESTING_CHUNK_CHECKS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "libs/chunk/chunk_options.h"

namespace engram::chunk::testing {

// Splits `text`, with EstimateTokens for a tokenizer, and returns what is wrong
// with the chunks; empty if nothing is.
std::string FindSplitProblem(absl::string_view text, const Options& options,
                             int max_chunks);

}  // namespace engram::chunk::testing

#endif  // ENGRAM_LIBS_CHUNK_TESTING_CHUNK_CHECKS_H_
