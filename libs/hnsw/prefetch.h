#ifndef ENGRAM_LIBS_HNSW_PREFETCH_H_
#define ENGRAM_LIBS_HNSW_PREFETCH_H_

#include <cstdint>

namespace engram::hnsw {

// Has the processor fetch `bytes` from `first` on. Into the second-level cache:
// of what is asked for the first level, AMD's processors drop all that exceeds
// the two dozen lines that may be on their way to it, which is half of what the
// neighbours of a node take.
inline void Prefetch(const void* first, int64_t bytes) {
  // Without it GCC takes a function that only prefetches for one that does
  // nothing, and leaves its calls out.
  asm volatile("");
  constexpr int64_t kLine = 64;
  const auto* const begin = static_cast<const char*>(first);
  const auto in_line =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(first) % kLine);
  for (int64_t i = -in_line; i < bytes; i += kLine) {
    __builtin_prefetch(begin + i, 0, 2);
  }
}

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_PREFETCH_H_
