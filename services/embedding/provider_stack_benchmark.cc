// What the stack around a provider costs, and what it gains: texts a second of
// the built-in model through it and over gRPC; what is added to the time of a
// query that a remote provider answers; and what putting callers' texts
// together brings where a provider serves one call at a time.
//
//   cmake --build --preset release --target provider_stack_benchmark
//   build/release/bin/provider_stack_benchmark

#include <benchmark/benchmark.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/http/testing/fake_http_server.h"
#include "services/embedding/embedding_service.h"
#include "services/embedding/provider_stack.h"
#include "services/embedding/providers/builtin_provider.h"
#include "services/embedding/providers/http_channel.h"
#include "services/embedding/providers/http_provider.h"
#include "services/embedding/testing/model_fixtures.h"

namespace engram::embedding {
namespace {

using http::testing::FakeHttpServer;
using http::testing::FakeRequest;
using http::testing::FakeResponse;

constexpr int kBatch = 64;
constexpr int kDimensions = 1536;

// Texts of the length of a query or a title.
std::vector<std::string> ShortTexts() {
  const char* const words[] = {"program", "to",      "edit",  "photographs",
                               "monitor", "network", "write", "music",
                               "library", "for",     "fonts", "games"};
  std::minstd_rand random(1);
  std::vector<std::string> texts(1024);
  for (std::string& text : texts) {
    for (int i = 0; i < 6; ++i) {
      absl::StrAppend(&text, i > 0 ? " " : "", words[random() % 12]);
    }
  }
  return texts;
}

std::unique_ptr<Provider> Builtin(prometheus::Registry& registry) {
  return WrapLocal(
      std::make_unique<BuiltinProvider>(testing::OpenShippedModel()), registry);
}

void BM_BuiltinInTheLibrary(benchmark::State& state) {
  prometheus::Registry registry;
  const auto provider = Builtin(registry);
  const std::vector<std::string> texts = ShortTexts();
  const std::vector<absl::string_view> views(texts.begin(), texts.end());
  size_t at = 0;
  for (auto _ : state) {
    const auto embedded = provider->Embed(
        absl::MakeSpan(views).subspan(at, kBatch), Purpose::kDocument);
    if (!embedded.ok()) state.SkipWithError("the texts are refused");
    at = (at + kBatch) % views.size();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_BuiltinInTheLibrary);

void BM_BuiltinOverGrpc(benchmark::State& state) {
  prometheus::Registry registry;
  std::vector<std::unique_ptr<Provider>> providers;
  providers.push_back(Builtin(registry));
  const std::string name = providers[0]->model().name;
  const auto catalog = *ModelCatalog::Create(std::move(providers), name);
  rpc::ThreadPool pool(2, 100);
  EmbeddingService service(*catalog, pool, 100);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const auto stub = v1::EmbeddingService::NewStub(grpc::CreateChannel(
      absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  v1::EmbedRequest request;
  const std::vector<std::string> texts = ShortTexts();
  request.mutable_texts()->Assign(texts.begin(), texts.begin() + kBatch);
  for (auto _ : state) {
    grpc::ClientContext context;
    v1::EmbedResponse response;
    if (!stub->Embed(&context, request, &response).ok()) {
      state.SkipWithError("the call failed");
    }
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_BuiltinOverGrpc)->UseRealTime();

std::string MakeVector() {
  std::minstd_rand random(1);
  std::normal_distribution<float> values(0, 0.025F);
  std::string bytes;
  for (int i = 0; i < kDimensions; ++i) {
    const float value = values(random);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return absl::Base64Escape(bytes);
}

// An answer of the OpenAI shape for as many texts as `request` has.
std::string MakeAnswer(const FakeRequest& request) {
  static const std::string& vector = *new std::string(MakeVector());
  const size_t begin = request.body.find("\"input\":[");
  // Texts of benchmarks hold no commas.
  const auto texts =
      1 + std::count(request.body.begin() + begin, request.body.end(), ',');
  std::string body = "{\"data\": [";
  for (int i = 0; i < texts; ++i) {
    absl::StrAppend(&body, i > 0 ? ", " : "", "{\"index\": ", i,
                    ", \"embedding\": \"", vector, "\"}");
  }
  return body + "]}";
}

// A remote model behind the whole stack.
class RemoteStack {
 public:
  explicit RemoteStack(const FakeHttpServer& server) {
    RemoteModel model;
    model.provider.endpoint.base_url = server.url();
    model.provider.http.proxy = "none";
    model.spec.limits = model.provider.limits;
    model.model = {.name = "a/b",
                   .fingerprint = "a/b@1",
                   .dimensions = kDimensions,
                   .normalized = true};
    std::vector<Endpoint> endpoints;
    endpoints.push_back(
        {std::make_unique<HttpProvider>(
             model, std::make_shared<HttpChannel>(model.provider.http, 8)),
         {}});
    provider_ = WrapRemote(std::move(endpoints), {registry_, *timers_, cache_});
  }

  bool Embed(const std::string& text) {
    return provider_->Embed({text}, Purpose::kQuery).ok();
  }

 private:
  prometheus::Registry registry_;
  const std::unique_ptr<Timers> timers_ = Timers::MakeReal();
  VectorCache cache_{64 << 20};
  std::unique_ptr<Provider> provider_;
};

void Report(benchmark::State& state, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  state.counters["p50_us"] = times[times.size() / 2];
  state.counters["p99_us"] = times[times.size() * 99 / 100];
}

// The server's and the connection's own time, which is to be taken off.
void BM_QueryWithoutTheStack(benchmark::State& state) {
  FakeHttpServer server([](const FakeRequest& request) {
    return FakeResponse{.body = MakeAnswer(request)};
  });
  http::HttpClient client({.proxy = "none"});
  std::vector<double> times;
  for (auto _ : state) {
    const absl::Time start = absl::Now();
    const auto response =
        client.Post({.url = server.url(), .body = "{\"input\":[\"a\"]}"});
    if (!response.ok()) state.SkipWithError("the call failed");
    times.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
  }
  Report(state, std::move(times));
}
BENCHMARK(BM_QueryWithoutTheStack)->UseRealTime();

void BM_Query(benchmark::State& state) {
  FakeHttpServer server([](const FakeRequest& request) {
    return FakeResponse{.body = MakeAnswer(request)};
  });
  RemoteStack stack(server);
  std::vector<double> times;
  // Each is another, so that none is in the cache.
  int query = 0;
  for (auto _ : state) {
    const std::string text = absl::StrCat("query ", ++query);
    const absl::Time start = absl::Now();
    if (!stack.Embed(text)) state.SkipWithError("the answer is refused");
    times.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
  }
  Report(state, std::move(times));
}
BENCHMARK(BM_Query)->UseRealTime();

// One call a text would be 20 texts a second.
void BM_SerialProvider(benchmark::State& state) {
  absl::Mutex one_at_a_time;
  std::atomic<int> calls = 0;
  FakeHttpServer server([&](const FakeRequest& request) {
    absl::MutexLock lock(&one_at_a_time);
    absl::SleepFor(absl::Milliseconds(50));
    ++calls;
    return FakeResponse{.body = MakeAnswer(request)};
  });
  RemoteStack stack(server);
  constexpr int kCallers = 64;
  constexpr absl::Duration kTime = absl::Seconds(3);
  for (auto _ : state) {
    std::atomic<int> texts = 0;
    std::vector<std::thread> callers;
    callers.reserve(kCallers);
    const absl::Time end = absl::Now() + kTime;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i] {
        for (int j = 0; absl::Now() < end; ++j) {
          if (stack.Embed(absl::StrCat("caller ", i, " query ", j))) ++texts;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    state.counters["texts_per_s"] = texts / absl::ToDoubleSeconds(kTime);
    state.counters["texts_per_call"] = 1.0 * texts / calls;
  }
}
BENCHMARK(BM_SerialProvider)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace engram::embedding

BENCHMARK_MAIN();
