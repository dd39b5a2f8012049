// Words a second of the built-in model on one core, over a file with a text a
// line (the packages' long descriptions in the numbers that we state).
//
//   cmake --build --preset release --target static_model_benchmark
//   ENGRAM_BENCHMARK_TEXTS=texts build/release/bin/static_model_benchmark

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "services/embedding/static_model.h"
#include "services/embedding/testing/model_fixtures.h"

namespace engram::embedding {
namespace {

// Returns the lines of the file that ENGRAM_BENCHMARK_TEXTS names; without it
// the texts of the vector fixture, package descriptions for the most part,
// which are few enough to flatter the caches.
std::vector<std::string> Texts() {
  std::vector<std::string> texts;
  if (const char* const path = std::getenv("ENGRAM_BENCHMARK_TEXTS")) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) texts.push_back(line);
    return texts;
  }
  for (auto& [text, vector] : testing::ReadStaticModelFixture()) {
    texts.push_back(std::move(text));
  }
  return texts;
}

int64_t CountWords(const std::vector<std::string>& texts) {
  int64_t words = 0;
  for (const std::string& text : texts) {
    bool inside = false;
    for (const char c : text) {
      words += !absl::ascii_isspace(c) && !inside;
      inside = !absl::ascii_isspace(c);
    }
  }
  return words;
}

void ReportWords(benchmark::State& state,
                 const std::vector<std::string>& texts) {
  state.counters["words"] =
      benchmark::Counter(static_cast<double>(CountWords(texts)),
                         benchmark::Counter::kIsIterationInvariantRate);
  state.counters["texts"] =
      benchmark::Counter(static_cast<double>(texts.size()),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void BM_Tokenize(benchmark::State& state) {
  const auto model = testing::OpenShippedModel();
  const auto texts = Texts();
  std::vector<int32_t> ids;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      model->tokenizer().Tokenize(text, 0, ids);
      benchmark::DoNotOptimize(ids.data());
    }
  }
  ReportWords(state, texts);
}
BENCHMARK(BM_Tokenize);

void BM_Embed(benchmark::State& state) {
  const auto model = testing::OpenShippedModel();
  const auto texts = Texts();
  StaticModel::Scratch scratch;
  std::vector<float> vector(model->dimensions());
  for (auto _ : state) {
    for (const std::string& text : texts) {
      model->Embed(text, scratch, absl::MakeSpan(vector));
      benchmark::DoNotOptimize(vector.data());
    }
  }
  ReportWords(state, texts);
}
BENCHMARK(BM_Embed);

void BM_EmbedOneQuery(benchmark::State& state) {
  const auto model = testing::OpenShippedModel();
  StaticModel::Scratch scratch;
  std::vector<float> vector(model->dimensions());
  for (auto _ : state) {
    model->Embed("program to edit photographs", scratch,
                 absl::MakeSpan(vector));
    benchmark::DoNotOptimize(vector.data());
  }
}
BENCHMARK(BM_EmbedOneQuery);

void BM_Open(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(testing::OpenShippedModel());
  }
}
BENCHMARK(BM_Open)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace engram::embedding

BENCHMARK_MAIN();
