// How long a search takes: the index's scan, from 1,000 vectors to more than
// any cache holds, and its graphs, with and without what came since.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/hnsw/testing/sample_vectors.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

std::vector<float> RandomUnit(std::mt19937& random, int dimensions) {
  std::normal_distribution<float> normal;
  std::vector<float> values(dimensions);
  for (float& value : values) value = normal(random);
  vector::Normalize(absl::MakeSpan(values));
  return values;
}

// Arguments: vectors, dimensions, limit.
void BM_Search(benchmark::State& state) {
  const int dimensions = static_cast<int>(state.range(1));
  std::mt19937 random(7);
  VectorIndex index({.dimensions = dimensions, .metric = Metric::kCosine});
  for (int row = 0; row < state.range(0); ++row) {
    const std::vector<float> values = RandomUnit(random, dimensions);
    const std::string id = absl::StrCat("package-", row);
    index.Apply({{.kind = IndexChange::Kind::kPutVectors,
                  .row = row,
                  .sequence = row + 1,
                  .id = id,
                  .chunks = {vector::Pack(values)}}},
                row + 1);
  }
  const std::vector<float> query = RandomUnit(random, dimensions);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        index.Search(query, static_cast<int>(state.range(2)), AnyRow));
  }
  state.SetBytesProcessed(state.iterations() *
                          index.SearchBytes(10, SearchEffort()));
  state.counters["bytes_a_vector"] =
      static_cast<double>(index.Stats().memory.total()) /
      static_cast<double>(std::max<int64_t>(1, state.range(0)));
}

// Arguments: vectors that came since the large graph was built; whether they
// are in a small one.
void BM_SearchWhatCameSince(benchmark::State& state) {
  constexpr int kVectors = 100'000;
  constexpr int kDimensions = 128;
  const hnsw::SampleVectors samples(kVectors + 10'000, kDimensions,
                                    hnsw::Metric::kDot, true);
  VectorIndex index({.dimensions = kDimensions, .metric = Metric::kCosine});
  int64_t row = 0;
  const auto put = [&](int64_t vectors) {
    for (const int64_t end = row + vectors; row < end; ++row) {
      const std::string id = absl::StrCat("package-", row);
      index.Apply({{.kind = IndexChange::Kind::kPutVectors,
                    .row = row,
                    .sequence = row + 1,
                    .id = id,
                    .chunks = {vector::Pack(samples.Row(row))}}},
                  row + 1);
    }
  };
  put(kVectors);
  index.Optimize(2, [] { return true; });
  put(state.range(0));
  if (state.range(1) != 0) index.Optimize(2, [] { return true; });
  const auto query = [&](int64_t i) {
    return samples.Row(kVectors + 9'500 + i % 500);
  };
  int64_t searches = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(index.Search(query(searches++), 10, AnyRow));
  }
  state.counters["in_graphs"] =
      static_cast<double>(index.Stats().graph_vectors);
}

BENCHMARK(BM_SearchWhatCameSince)
    ->Args({0, 0})
    ->Args({9'000, 0})
    ->Args({9'000, 1})
    ->Unit(benchmark::kMicrosecond);

BENCHMARK(BM_Search)
    ->Args({1'000, 256, 10})
    ->Args({63'000, 256, 10})
    ->Args({63'000, 256, 1000})
    ->Args({200'000, 384, 10})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace engram::search

BENCHMARK_MAIN();
