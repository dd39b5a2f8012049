#ifndef ENGRAM_LIBS_HNSW_TESTING_SAMPLE_VECTORS_H_
#define ENGRAM_LIBS_HNSW_TESTING_SAMPLE_VECTORS_H_

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "libs/hnsw/code_range.h"
#include "libs/vector/kernels.h"
#include "libs/vector/vector.h"

namespace engram::hnsw {

// Random vectors in clusters, and the true nearest of any query by brute force.
struct SampleVectors {
  SampleVectors(int64_t count, int dimensions, Metric metric, bool unit_length)
      : dimensions(dimensions), metric(metric) {
    std::mt19937 random(23);
    std::normal_distribution<float> normal;
    std::vector<float> centers(20 * dimensions);
    for (float& value : centers) value = normal(random);
    for (int64_t row = 0; row < count; ++row) {
      const float* center = &centers[random() % 20 * dimensions];
      for (int i = 0; i < dimensions; ++i) {
        rows.push_back(center[i] + 0.5f * normal(random));
      }
      if (unit_length) {
        vector::Normalize(absl::MakeSpan(rows).last(dimensions));
      }
    }
  }

  int64_t count() const {
    return static_cast<int64_t>(rows.size()) / dimensions;
  }
  absl::Span<const float> Row(int64_t row) const {
    return absl::MakeSpan(rows).subspan(row * dimensions, dimensions);
  }

  // Returns the exact score of every row.
  std::vector<float> Scores(absl::Span<const float> query) const {
    std::vector<float> scores(count());
    const vector::Kernels& kernels = vector::BestKernels();
    (metric == Metric::kDot ? kernels.dot : kernels.l2_squared)(
        query.data(), rows.data(), count(), dimensions, scores.data());
    return scores;
  }

  // Returns whether `a` is a better score than `b`.
  bool Better(float a, float b) const {
    return metric == Metric::kDot ? a > b : a < b;
  }

  int dimensions;
  Metric metric;
  std::vector<float> rows;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_TESTING_SAMPLE_VECTORS_H_
