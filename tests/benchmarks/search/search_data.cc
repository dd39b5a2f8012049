#include "tests/benchmarks/search/search_data.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "absl/types/span.h"
#include "libs/vector/kernels.h"
#include "libs/vector/vector.h"

namespace engram::benchmarks {
namespace {

constexpr int kClusters = 1000;
constexpr int kDirections = 32;
// Lengths are squared sums over the dimensions: a centre has 1 for each.
constexpr float kNoiseAlong = 1.0f;
constexpr float kNoiseAnywhere = 0.2f;

}  // namespace

void FillNearest(SearchData& data) {
  const vector::Kernels& kernels = vector::BestKernels();
  std::vector<std::vector<std::pair<float, uint32_t>>> best(data.queries);
  // Rows by the block that a cache holds, each against all queries.
  constexpr int64_t kBlock = 256;
  std::vector<float> scores(kBlock);
  for (int64_t first = 0; first < data.count; first += kBlock) {
    const int64_t rows = std::min(kBlock, data.count - first);
    for (int64_t q = 0; q < data.queries; ++q) {
      kernels.dot(&data.query_rows[q * data.dimensions],
                  &data.rows[first * data.dimensions], rows, data.dimensions,
                  scores.data());
      auto& heap = best[q];
      for (int64_t i = 0; i < rows; ++i) {
        const std::pair<float, uint32_t> entry = {
            -scores[i], static_cast<uint32_t>(first + i)};
        if (heap.size() == static_cast<size_t>(data.limit)) {
          if (entry >= heap.front()) continue;
          std::pop_heap(heap.begin(), heap.end());
          heap.pop_back();
        }
        heap.push_back(entry);
        std::push_heap(heap.begin(), heap.end());
      }
    }
  }
  for (auto& heap : best) {
    std::sort_heap(heap.begin(), heap.end());
    for (const auto& [score, row] : heap) data.nearest.push_back(row);
  }
}

SearchData MakeClusteredData(int64_t count, int dimensions, int64_t queries,
                             int limit) {
  SearchData data = {.dimensions = dimensions,
                     .count = count,
                     .queries = queries,
                     .limit = limit};
  std::mt19937_64 random(11);
  std::normal_distribution<float> normal;
  std::vector<float> centers(kClusters * dimensions);
  for (float& value : centers) value = normal(random);
  std::vector<float> directions(kDirections * dimensions);
  for (float& value : directions) value = normal(random);
  const float along = kNoiseAlong / std::sqrt(static_cast<float>(kDirections));
  const auto fill = [&](std::vector<float>& rows, int64_t size) {
    rows.resize(size * dimensions);
    for (int64_t row = 0; row < size; ++row) {
      const float* center = &centers[random() % kClusters * dimensions];
      float* values = &rows[row * dimensions];
      for (int i = 0; i < dimensions; ++i)
        values[i] = center[i] + kNoiseAnywhere * normal(random);
      for (int r = 0; r < kDirections; ++r) {
        const float distance = along * normal(random);
        for (int i = 0; i < dimensions; ++i)
          values[i] += distance * directions[r * dimensions + i];
      }
      vector::Normalize(absl::MakeSpan(values, dimensions));
    }
  };
  fill(data.rows, count);
  fill(data.query_rows, queries);
  FillNearest(data);
  return data;
}

double RecallOf(const SearchData& data, const std::vector<uint32_t>& found) {
  const vector::Kernels& kernels = vector::BestKernels();
  const auto score = [&](int64_t q, uint32_t row) {
    float score = 0;
    kernels.dot(&data.query_rows[q * data.dimensions],
                &data.rows[int64_t{row} * data.dimensions], 1, data.dimensions,
                &score);
    return score;
  };
  int64_t hits = 0;
  for (int64_t q = 0; q < data.queries; ++q) {
    const int64_t first = q * data.limit;
    const float least = score(q, data.nearest[first + data.limit - 1]);
    hits +=
        std::count_if(found.begin() + first, found.begin() + first + data.limit,
                      [&](uint32_t row) {
                        return row < data.count && score(q, row) >= least;
                      });
  }
  return static_cast<double>(hits) / static_cast<double>(data.nearest.size());
}

}  // namespace engram::benchmarks
