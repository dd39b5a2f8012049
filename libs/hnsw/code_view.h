#ifndef ENGRAM_LIBS_HNSW_CODE_VIEW_H_
#define ENGRAM_LIBS_HNSW_CODE_VIEW_H_

#include <cstdint>

#include "libs/hnsw/code_range.h"

namespace engram::hnsw {

// The codes of a segment, borrowed: row i is the code of node i.
struct CodeView {
  Metric metric = Metric::kDot;
  int dimensions = 0;
  // At most kMaxNodes.
  int64_t size = 0;
  CodeRange range;
  // `size` rows of `row_bytes()`, back to back.
  const uint8_t* codes = nullptr;
  // For kL2 the CodeNorm of each row, else, and for float32, null.
  const int32_t* norms = nullptr;

  int64_t row_bytes() const { return range.RowBytes(dimensions); }
  const uint8_t* Row(uint32_t node) const {
    return codes + static_cast<int64_t>(node) * row_bytes();
  }
};

// Nodes are numbered from 0; two bits of a number are spared for the walks.
inline constexpr int64_t kMaxNodes = int64_t{1} << 30;

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_CODE_VIEW_H_
