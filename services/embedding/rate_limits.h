#ifndef ENGRAM_SERVICES_EMBEDDING_RATE_LIMITS_H_
#define ENGRAM_SERVICES_EMBEDDING_RATE_LIMITS_H_

#include <cstdint>

namespace engram::embedding {

// How much a provider takes in a minute; 0 is no limit.
struct RateLimits {
  int64_t requests = 0;
  int64_t tokens = 0;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_RATE_LIMITS_H_
