#include "services/search/diversity.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>

#include "libs/vector/kernels.h"

namespace engram::search {
namespace {

// Comparisons of so many take some 50 ms with 384 dimensions.
constexpr size_t kMaxDiversified = 1000;

}  // namespace

std::vector<int> OrderDiversely(absl::Span<const float> scores,
                                absl::Span<const float> vectors, int dimensions,
                                float diversity) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  const vector::ScoreRows inner_products = vector::BestKernels().dot;
  const auto count = static_cast<int64_t>(scores.size());
  std::vector<float> similarities(count);
  // To the candidates before, the largest.
  std::vector<float> nearest(count, kNone);
  std::vector<bool> is_taken(count);
  const auto worth = [&](int candidate) {
    const float to_others =
        nearest[candidate] == kNone ? 0 : nearest[candidate];
    return (1 - diversity) * scores[candidate] - diversity * to_others;
  };
  std::vector<int> order;
  order.reserve(count);
  while (static_cast<int64_t>(order.size()) < count) {
    int best = -1;
    for (int i = 0; i < count; ++i) {
      if (is_taken[i]) continue;
      if (best < 0 || worth(i) > worth(best)) best = i;
    }
    is_taken[best] = true;
    order.push_back(best);
    inner_products(vectors.data() + int64_t{best} * dimensions, vectors.data(),
                   count, dimensions, similarities.data());
    for (int64_t i = 0; i < count; ++i) {
      nearest[i] = std::max(nearest[i], similarities[i]);
    }
  }
  return order;
}

void Diversify(const Index& index, float diversity,
               std::vector<Candidate>& candidates) {
  const int dimensions = index.spec().dimensions;
  std::vector<Candidate> known;
  std::vector<float> scores;
  std::vector<float> vectors;
  const size_t count = std::min(candidates.size(), kMaxDiversified);
  vectors.reserve(count * dimensions);
  for (size_t i = 0; i < count; ++i) {
    const std::vector<float> values =
        index.VectorOf(candidates[i].row, candidates[i].chunk);
    if (values.empty()) continue;
    scores.push_back(candidates[i].score);
    vectors.insert(vectors.end(), values.begin(), values.end());
    known.push_back(std::move(candidates[i]));
  }
  std::vector<Candidate> ordered;
  ordered.reserve(candidates.size());
  for (const int place :
       OrderDiversely(scores, vectors, dimensions, diversity)) {
    ordered.push_back(std::move(known[place]));
  }
  std::move(candidates.begin() + static_cast<std::ptrdiff_t>(count),
            candidates.end(), std::back_inserter(ordered));
  candidates = std::move(ordered);
}

}  // namespace engram::search
