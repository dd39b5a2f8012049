#include "services/embedding/row_sum.h"

// Sanitizers need their own start-up before the resolver that picks a clone
// runs; there the baseline has to do.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define ENGRAM_FOR_EACH_PROCESSOR \
  __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define ENGRAM_FOR_EACH_PROCESSOR
#endif

namespace engram::embedding {
namespace {

// How many rows ahead memory is asked for. The table is larger than the caches
// near a core, and rows come in the order of the text, which no prefetcher
// guesses.
constexpr size_t kRowsAhead = 6;
constexpr size_t kCacheLine = 64;

// Plain loops over plain pointers, which the compiler turns into the vector
// instructions of each clone (this file is compiled with -O3).
ENGRAM_FOR_EACH_PROCESSOR
void Sum(const int8_t* rows, const float* scales, size_t dimensions,
         const int32_t* ids, size_t count, float* __restrict sum) {
  for (size_t d = 0; d < dimensions; ++d) sum[d] = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) {
      const int8_t* const ahead = rows + ids[i + kRowsAhead] * dimensions;
      for (size_t d = 0; d < dimensions; d += kCacheLine) {
        __builtin_prefetch(ahead + d);
      }
    }
    const int8_t* const row = rows + ids[i] * dimensions;
    const float scale = scales[ids[i]];
    for (size_t d = 0; d < dimensions; ++d) sum[d] += scale * row[d];
  }
}

}  // namespace

void SumRows(const ScaledRows& table, absl::Span<const int32_t> ids,
             absl::Span<float> sum) {
  Sum(table.rows, table.scales, table.dimensions, ids.data(), ids.size(),
      sum.data());
}

}  // namespace engram::embedding
