// How long an exact search takes: the index's scan, from 1,000 vectors to more
// than any cache holds.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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

BENCHMARK(BM_Search)
    ->Args({1'000, 256, 10})
    ->Args({63'000, 256, 10})
    ->Args({63'000, 256, 1000})
    ->Args({200'000, 384, 10})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace engram::search

BENCHMARK_MAIN();
