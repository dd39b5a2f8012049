// How much of a call a text takes, for keeping to CallLimits.

#ifndef ENGRAM_SERVICES_EMBEDDING_CALL_SIZE_H_
#define ENGRAM_SERVICES_EMBEDDING_CALL_SIZE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// Size of some texts, in the units of CallLimits.
struct CallSize {
  int64_t texts = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;

  CallSize& operator+=(const CallSize& other);
  CallSize& operator-=(const CallSize& other);

  // Whether it is within `limits`.
  bool Fits(const CallLimits& limits) const;
  // Whether it leaves no room for another text.
  bool Fills(const CallLimits& limits) const;
};

// Returns the size of one text, counting only what `limits` limit.
//
// Tokens are guessed from bytes, as there is no tokenizer for most models: one
// for every two bytes, where English has four and Chinese some two to three. So
// calls are rather too small than too large; what has more tokens still, such
// as random letters, the provider refuses as too long.
CallSize SizeOf(absl::string_view text, const CallLimits& limits);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CALL_SIZE_H_
