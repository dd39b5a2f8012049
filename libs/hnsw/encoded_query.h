#ifndef ENGRAM_LIBS_HNSW_ENCODED_QUERY_H_
#define ENGRAM_LIBS_HNSW_ENCODED_QUERY_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "libs/hnsw/code_kernels.h"
#include "libs/hnsw/code_range.h"

namespace engram::hnsw {

// A query in 8 bits a dimension, for codes of 8 bits or of 4, or as it is, for
// those that are float32; with what turns the integers of a walk back into
// scores of the metric. docs/design/graph_index.md has the formulae.
class EncodedQuery {
 public:
  // `query` has the dimensions of the codes that `range` is of, and is finite.
  EncodedQuery(absl::Span<const float> query, const CodeRange& range,
               Metric metric);

  // For the kernels. Good as long as this object.
  CodeQuery codes() const { return {.values = values_.data(), .sum = sum_}; }
  // The same for float32.
  const float* floats() const { return floats_.data(); }

  // What a row's CodeNorm counts in its distance; 0 for kDot, 8 at most.
  float norm_weight() const { return norm_weight_; }

  // Returns the score that `distance`, an integer of a walk, stands for: for
  // kDot the inner product, for kL2 the squared distance, 0 at least.
  // Approximate where both sides were rounded, exact of float32.
  float ScoreOf(int32_t distance) const;

 private:
  Metric metric_;
  // Of float32 all that there is.
  std::vector<float> floats_;
  std::vector<int8_t> values_;
  int32_t sum_ = 0;
  float norm_weight_ = 0;
  // Of the score: for each unit of distance, and at distance 0.
  float unit_ = 0;
  float base_ = 0;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_ENCODED_QUERY_H_
