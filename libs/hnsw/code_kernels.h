// The inner loops of approximate search: one query against many codes.

#ifndef ENGRAM_LIBS_HNSW_CODE_KERNELS_H_
#define ENGRAM_LIBS_HNSW_CODE_KERNELS_H_

#include <cstdint>
#include <vector>

namespace engram::hnsw {

// What codes are scored against: one signed value a dimension. Borrowed.
//
// A code c of 0 to 255 stands for c - 128 steps, so a score is
//   sum over the dimensions of (code - 128) * value,
// exact, and within int32 for up to 65,536 dimensions. A 4-bit code c stands
// for 2 c - 15 half steps, so there it is
//   sum over the dimensions of (2 code - 15) * value.
struct CodeQuery {
  // From -127 to 127: with -128 the AVX2 kernels would overflow. For 4-bit
  // codes those of the even dimensions come first, then those of the odd ones,
  // as many, with a zero at the end if there is one less.
  const int8_t* values = nullptr;
  // Of all values.
  int32_t sum = 0;
};

// Scores rows `nodes[0]` to `nodes[count - 1]` of `codes`, which is rows of
// `dimensions` bytes back to back. No alignment is asked for.
using GatherCodes = void (*)(const CodeQuery& query, const uint8_t* codes,
                             int dimensions, const uint32_t* nodes, int count,
                             int32_t* scores);

// Scores rows of 4-bit codes, of (dimensions + 1) / 2 bytes, two codes in each,
// the even dimension's in the lower half.
using GatherNibbles = GatherCodes;

// Scores the first `count` rows of `codes`.
using ScanCodes = void (*)(const CodeQuery& query, const uint8_t* codes,
                           int dimensions, int64_t count, int32_t* scores);

// Turns a row of codes into the values of a query, `dimensions` of them, and
// returns their sum. Code 0 becomes -127, as code 1 does.
using CodesToQuery = int32_t (*)(const uint8_t* row, int dimensions,
                                 int8_t* values);

// The kernels of one instruction set.
struct CodeKernels {
  // For logs, such as `avx512vnni`.
  const char* name;
  GatherCodes gather;
  ScanCodes scan;
  GatherNibbles gather_nibbles;
  CodesToQuery to_query;
};

// Returns the fastest kernels that this machine can run.
const CodeKernels& BestCodeKernels();

// Returns all kernels that this machine can run, fastest first; the portable
// ones are always among them.
const std::vector<CodeKernels>& SupportedCodeKernels();

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_CODE_KERNELS_H_
