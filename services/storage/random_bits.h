#ifndef ENGRAM_SERVICES_STORAGE_RANDOM_BITS_H_
#define ENGRAM_SERVICES_STORAGE_RANDOM_BITS_H_

#include <cstdint>
#include <limits>

namespace engram::storage {

// 64 random bits, of a generator that the system's randomness seeds: for ids,
// leases and samples, not for secrets. Any thread may call it.
uint64_t RandomBits();

// The same for distributions and shuffles of the standard library.
struct RandomSource {
  using result_type = uint64_t;
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() {
    return std::numeric_limits<uint64_t>::max();
  }
  uint64_t operator()() { return RandomBits(); }
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RANDOM_BITS_H_
