// A 64-bit checksum for data at rest: vectors and files of ours.

#ifndef ENGRAM_LIBS_VECTOR_CHECKSUM_H_
#define ENGRAM_LIBS_VECTOR_CHECKSUM_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::vector {

// Returns XXH64 of `bytes` with seed 0, several gigabytes a second. It finds
// accidents (flipped bits, torn writes), not forgeries. Stored: never change.
uint64_t Checksum(absl::string_view bytes);

// Returns the checksum of a vector's bytes, as they travel: float32,
// little-endian, back to back.
uint64_t VectorChecksum(absl::Span<const float> values);

}  // namespace engram::vector

#endif  // ENGRAM_LIBS_VECTOR_CHECKSUM_H_
