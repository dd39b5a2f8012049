// How long an answer takes to become vectors: 100 texts of 1,536 dimensions, as
// OpenAI sends them, beside protobuf's JSON parser over the same text.
//
//   cmake --build --preset release --target answer_benchmark
//   build/release/bin/answer_benchmark

#include <benchmark/benchmark.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/embedding/providers/provider_format.h"

namespace engram::embedding {
namespace {

constexpr int kTexts = 100;
constexpr int kDimensions = 1536;

std::string MakeVector(std::minstd_rand& random, bool base64) {
  std::normal_distribution<float> values(0, 0.025F);
  std::vector<float> vector(kDimensions);
  for (float& value : vector) value = values(random);
  if (base64) {
    const absl::string_view bytes(reinterpret_cast<const char*>(vector.data()),
                                  vector.size() * sizeof(float));
    return absl::StrCat("\"", absl::Base64Escape(bytes), "\"");
  }
  std::string json = "[";
  for (size_t i = 0; i < vector.size(); ++i) {
    absl::StrAppendFormat(&json, "%s%.8g", i > 0 ? ", " : "", vector[i]);
  }
  return json + "]";
}

std::string MakeAnswer(bool base64) {
  std::minstd_rand random(1);
  std::string json = "{\"object\": \"list\", \"data\": [";
  for (int i = 0; i < kTexts; ++i) {
    absl::StrAppend(&json, i > 0 ? ", " : "",
                    "{\"object\": \"embedding\", \"index\": ", i,
                    ", \"embedding\": ", MakeVector(random, base64), "}");
  }
  return json +
         "], \"model\": \"text-embedding-3-small\", \"usage\": "
         "{\"prompt_tokens\": 800, \"total_tokens\": 800}}";
}

void Decode(benchmark::State& state, bool base64) {
  RemoteModel model;
  model.model.dimensions = kDimensions;
  const auto format = MakeProviderFormat(model);
  const http::HttpResponse received{.status = 200, .body = MakeAnswer(base64)};
  for (auto _ : state) {
    http::HttpResponse response = received;
    const auto answer = format->Decode(response, kTexts);
    if (!answer.ok()) state.SkipWithError("the answer is refused");
    benchmark::DoNotOptimize(answer->vectors.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(received.body.size()));
}

void BM_DecodeNumbers(benchmark::State& state) { Decode(state, false); }
BENCHMARK(BM_DecodeNumbers)->Unit(benchmark::kMicrosecond);

void BM_DecodeBase64(benchmark::State& state) { Decode(state, true); }
BENCHMARK(BM_DecodeBase64)->Unit(benchmark::kMicrosecond);

void BM_ProtobufJson(benchmark::State& state) {
  const std::string body = MakeAnswer(false);
  for (auto _ : state) {
    google::protobuf::Struct answer;
    const auto status =
        google::protobuf::util::JsonStringToMessage(body, &answer);
    if (!status.ok()) state.SkipWithError("the answer is refused");
    std::vector<std::vector<float>> vectors;
    for (const auto& item : answer.fields().at("data").list_value().values()) {
      const auto& numbers =
          item.struct_value().fields().at("embedding").list_value().values();
      std::vector<float>& vector = vectors.emplace_back();
      vector.reserve(numbers.size());
      for (const auto& number : numbers) {
        vector.push_back(static_cast<float>(number.number_value()));
      }
    }
    benchmark::DoNotOptimize(vectors.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(body.size()));
}
BENCHMARK(BM_ProtobufJson)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace engram::embedding

BENCHMARK_MAIN();
