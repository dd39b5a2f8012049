#ifndef ENGRAM_LIBS_HNSW_TESTING_FLOAT32_CODES_H_
#define ENGRAM_LIBS_HNSW_TESTING_FLOAT32_CODES_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/types/span.h"
#include "libs/hnsw/code_range.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/huge_array.h"

namespace engram::hnsw {

// The vectors that lie back to back in `rows`, to be compared as they are.
inline CodeTable Float32Codes(absl::Span<const float> rows, int dimensions,
                              Metric metric) {
  const CodeRange range = {.bits = 32};
  HugeArray<uint8_t> codes(rows.size() * sizeof(float));
  for (size_t first = 0; first < rows.size(); first += dimensions) {
    EncodeRow(range, rows.subspan(first, dimensions),
              codes.data() + first * sizeof(float));
  }
  return {std::move(codes), dimensions, metric, range};
}

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_TESTING_FLOAT32_CODES_H_
