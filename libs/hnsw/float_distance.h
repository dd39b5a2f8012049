#ifndef ENGRAM_LIBS_HNSW_FLOAT_DISTANCE_H_
#define ENGRAM_LIBS_HNSW_FLOAT_DISTANCE_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace engram::hnsw {

// Turns a float32 into an integer that is the smaller, the smaller it is, so
// that walks compare those of every width alike: the bits are that already, but
// for negative ones, which they order the other way round. What is no number, a
// sum of huge values may be none, is farthest.
inline int32_t DistanceOfFloat(float value) {
  if (std::isnan(value)) return std::numeric_limits<int32_t>::max();
  const auto bits = std::bit_cast<int32_t>(value);
  return bits < 0 ? bits ^ 0x7fffffff : bits;
}

// The reverse, exact.
inline float FloatOfDistance(int32_t distance) {
  return std::bit_cast<float>(distance < 0 ? distance ^ 0x7fffffff : distance);
}

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_FLOAT_DISTANCE_H_
