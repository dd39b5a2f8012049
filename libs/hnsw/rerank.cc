#include "libs/hnsw/rerank.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "libs/hnsw/prefetch.h"
#include "libs/vector/kernels.h"

namespace engram::hnsw {
namespace {

// How many vectors ahead are fetched: enough to hide that none is in a cache.
constexpr size_t kAhead = 16;

}  // namespace

void Rerank(absl::Span<const float> query, const float* vectors, Metric metric,
            std::vector<FoundNode>& nodes) {
  const vector::Kernels& kernels = vector::BestKernels();
  const vector::ScoreRows score_rows =
      metric == Metric::kDot ? kernels.dot : kernels.l2_squared;
  const auto dimensions = static_cast<int>(query.size());
  const auto row = [&](size_t i) {
    return vectors + static_cast<size_t>(nodes[i].node) * query.size();
  };
  const auto prefetch = [&](size_t i) {
    if (i < nodes.size()) Prefetch(row(i), query.size() * sizeof(float));
  };
  for (size_t i = 0; i < kAhead; ++i) prefetch(i);
  for (size_t i = 0; i < nodes.size(); ++i) {
    prefetch(i + kAhead);
    score_rows(query.data(), row(i), 1, dimensions, &nodes[i].score);
  }
  const auto key = [metric](const FoundNode& found) {
    // A sum of huge values may be no number: such a vector comes last.
    if (std::isnan(found.score)) return std::numeric_limits<float>::infinity();
    return metric == Metric::kDot ? -found.score : found.score;
  };
  std::sort(nodes.begin(), nodes.end(),
            [&](const FoundNode& a, const FoundNode& b) {
              const float a_key = key(a), b_key = key(b);
              return a_key != b_key ? a_key < b_key : a.node < b.node;
            });
}

}  // namespace engram::hnsw
