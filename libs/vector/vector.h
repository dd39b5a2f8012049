// Small operations on one vector.

#ifndef ENGRAM_LIBS_VECTOR_VECTOR_H_
#define ENGRAM_LIBS_VECTOR_VECTOR_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::vector {

// The most components a vector may have.
inline constexpr int kMaxDimensions = 4096;

// Returns whether no value is infinite or NaN.
bool IsFinite(absl::Span<const float> values);

// Scales `values` to unit length. Returns false, and leaves them alone, if they
// are all zero or not all finite.
bool Normalize(absl::Span<float> values);

// Returns the floats that `bytes` holds, little-endian, back to back. Bytes
// beyond the last whole float are left out: compare sizes first.
std::vector<float> Unpack(absl::string_view bytes);

// Returns the bytes of `values`, as Unpack takes them. Valid as long as they.
absl::string_view Pack(absl::Span<const float> values);

}  // namespace engram::vector

#endif  // ENGRAM_LIBS_VECTOR_VECTOR_H_
