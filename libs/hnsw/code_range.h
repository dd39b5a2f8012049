// How vectors become 8-bit codes, and back.

#ifndef ENGRAM_LIBS_HNSW_CODE_RANGE_H_
#define ENGRAM_LIBS_HNSW_CODE_RANGE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace engram::hnsw {

// How a graph compares vectors. Cosine is kDot over vectors of unit length.
enum class Metric { kDot, kL2 };

// The range that the codes of one segment cover, all dimensions alike: the
// two trained values of a faiss::ScalarQuantizer of type QT_8bit_uniform, where
// code c stands for the value vmin + (c + 0.5) / 255 * vdiff.
struct CodeRange {
  float vmin = -128.5f;
  // Above 0.
  float vdiff = 255;

  // Between the values of two codes that follow each other.
  float step() const { return vdiff / 255; }
  // The value of code 128. Zero, but for rounding, for kDot.
  float middle() const { return vmin + 128.5f * step(); }

  friend bool operator==(const CodeRange&, const CodeRange&) = default;
};

// Returns the range for `count` finite vectors of `dimensions` floats each,
// back to back at `rows`: it leaves out the 0.05 % of the components that are
// farthest out, because the few vectors that have them lose less by being cut
// than all others gain by smaller steps. Looks at a million components at most,
// spread evenly, so the same vectors give the same range.
//
// For kDot the range lies evenly around zero, else the codes of vectors could
// not be multiplied without the sum of each; for kL2, wherever the values do.
CodeRange ChooseCodeRange(const float* rows, int64_t count, int dimensions,
                          Metric metric);

// Writes the code of each value, 1 to 255; values outside of the range become
// its ends. (Code 0 is left out, so that c - 128 has a negative.)
void EncodeRow(const CodeRange& range, absl::Span<const float> values,
               uint8_t* codes);

// Returns the squared length of a row from the middle, in steps: the sum of
// (code - 128)^2. Within int32 for up to 65,536 dimensions.
int32_t CodeNorm(const uint8_t* codes, int dimensions);

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_CODE_RANGE_H_
