// The inner loops of exact search: one query against many vectors.

#ifndef ENGRAM_LIBS_VECTOR_KERNELS_H_
#define ENGRAM_LIBS_VECTOR_KERNELS_H_

#include <cstdint>
#include <vector>

namespace engram::vector {

// Scores `count` vectors of `dimensions` floats each, back to back at `rows`,
// against `query`, and writes `count` scores. No alignment is asked for.
//
// Sums are kept in float32, so the error grows with the dimensions: it is below
// dimensions * 2^-24 times the sum of the magnitudes of the terms. A sum beyond
// the range of float32 is infinite, or NaN where both signs overflow.
using ScoreRows = void (*)(const float* query, const float* rows, int64_t count,
                           int dimensions, float* scores);

// The kernels of one instruction set.
struct Kernels {
  // For logs, such as `avx512f`.
  const char* name;
  // Inner products.
  ScoreRows dot;
  // Squared Euclidean distances.
  ScoreRows l2_squared;
};

// Returns the fastest kernels that this machine can run.
const Kernels& BestKernels();

// Returns all kernels that this machine can run, fastest first; the portable
// ones are always among them.
const std::vector<Kernels>& SupportedKernels();

}  // namespace engram::vector

#endif  // ENGRAM_LIBS_VECTOR_KERNELS_H_
