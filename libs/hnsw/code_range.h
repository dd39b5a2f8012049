// How vectors become codes of 8 bits or of 4, and back. Those of 32 bits are
// the vectors themselves.

#ifndef ENGRAM_LIBS_HNSW_CODE_RANGE_H_
#define ENGRAM_LIBS_HNSW_CODE_RANGE_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"

namespace engram::hnsw {

// How a graph compares vectors. Cosine is kDot over vectors of unit length.
enum class Metric { kDot, kL2 };

// The range that the codes of one segment cover, all dimensions alike: the
// two trained values of a faiss::ScalarQuantizer of type QT_8bit_uniform or
// QT_4bit_uniform, where code c stands for the value
// vmin + (c + 0.5) / (2^bits - 1) * vdiff.
//
// Codes of 32 bits are float32, whatever the range.
struct CodeRange {
  float vmin = -128.5f;
  // Above 0.
  float vdiff = 255;
  // Of a code: 8, or 4, of which two share a byte, or 32.
  int bits = 8;

  bool is_float32() const { return bits == 32; }

  // Between the values of two codes that follow each other. Not of float32, as
  // are the next two.
  float step() const { return vdiff / static_cast<float>((1 << bits) - 1); }
  // The value of code 128, or between those of the 4-bit codes 7 and 8. Zero,
  // but for rounding, for kDot.
  float middle() const { return vmin + (bits == 8 ? 128.5f : 8.0f) * step(); }
  // What the kernels count: how far codes are from the middle is a whole number
  // of it.
  float unit() const { return bits == 8 ? step() : step() / 2; }
  // The size of a row.
  int64_t RowBytes(int dimensions) const {
    return (int64_t{dimensions} * bits + 7) / 8;
  }

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

// Returns the 4-bit range for what `count` rows of 8-bit codes of `range` are
// of: around the same middle, of the width that loses least, as the mean of
// squares. Looks at as much as ChooseCodeRange.
CodeRange ChooseNibbleRange(const CodeRange& range, const uint8_t* codes,
                            int64_t count, int dimensions);

// Writes the 8-bit code of each value, 1 to 255; values outside of the range
// become its ends. (Code 0 is left out, so that c - 128 has a negative.) Of
// float32, the values.
void EncodeRow(const CodeRange& range, absl::Span<const float> values,
               uint8_t* codes);

// Makes 4-bit codes of 8-bit ones: for each byte the code of `narrow` that is
// nearest to what it means in `wide`.
class NibbleEncoder {
 public:
  NibbleEncoder(const CodeRange& wide, const CodeRange& narrow);

  // Writes narrow.RowBytes(dimensions) bytes: dimension i is in byte i / 2, an
  // even one in its lower half, as FAISS has it.
  void EncodeRow(const uint8_t* codes, int dimensions, uint8_t* nibbles) const;

 private:
  std::array<uint8_t, 256> nibbles_;
};

// Returns the squared length of a row from the middle, in units: the sum of
// (code - 128)^2. Within int32 for up to 65,536 dimensions.
int32_t CodeNorm(const uint8_t* codes, int dimensions);

// The same of a row of 4-bit codes: the sum of (2 code - 15)^2.
int32_t NibbleNorm(const uint8_t* nibbles, int dimensions);

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_CODE_RANGE_H_
