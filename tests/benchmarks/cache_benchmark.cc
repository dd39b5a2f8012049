// How fast storage answers from a cache, against empty calls of the same
// server. README.md has the command and results.
//
//   cache_benchmark
//
// TMPDIR decides where the files are. Results go to standard output as rows of
// a Markdown table.

#include <grpcpp/client_context.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/cache.grpc.pb.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"

namespace engram::benchmarks {
namespace {

using storage::v1::CacheService;
using storage::v1::CacheServiceGetRequest;
using storage::v1::CacheServiceGetResponse;

constexpr int kRounds = 7;
constexpr absl::Duration kRoundTime = absl::Seconds(2);
constexpr int kClients = 64;
constexpr int kKeys = 1000;

std::string KeyOf(int number) { return absl::StrCat("api:rates:", number); }

// Calls of the cache, over the connections of `clients`.
class CacheClients {
 public:
  explicit CacheClients(const Clients& clients) {
    for (const auto& channel : clients.channels()) {
      stubs_.push_back(CacheService::NewStub(channel));
    }
  }

  // Some 100 bytes as JSON.
  void Set(int number) {
    storage::v1::SetRequest request;
    request.mutable_entry()->set_key(KeyOf(number));
    request.mutable_entry()->set_category("api");
    auto& value = *request.mutable_entry()
                       ->mutable_value()
                       ->mutable_struct_value()
                       ->mutable_fields();
    value["name"].set_string_value(absl::StrCat("rate number ", number));
    value["value"].set_number_value(number + 0.25);
    value["note"].set_string_value(std::string(60, 'x'));
    request.mutable_ttl()->set_seconds(3600);
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    storage::v1::SetResponse response;
    CheckOk(stubs_[0]->Set(&context, request, &response));
  }

  // Ends the program on a miss.
  void Get(int number, std::function<void()> done) {
    struct Call {
      grpc::ClientContext context;
      CacheServiceGetRequest request;
      CacheServiceGetResponse response;
    };
    const auto call = std::make_shared<Call>();
    call->request.set_key(KeyOf(number % kKeys));
    stubs_[number % stubs_.size()]->async()->Get(
        &call->context, &call->request, &call->response,
        [call, done = std::move(done)](const grpc::Status& status) {
          CheckOk(status);
          if (!call->response.has_entry()) CheckOk(absl::DataLossError("miss"));
          done();
        });
  }

 private:
  std::vector<std::unique_ptr<CacheService::Stub>> stubs_;
};

void MeasureHits() {
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  CacheClients cache(storage.clients());
  for (int i = 0; i < kKeys; ++i) cache.Set(i);
  const auto calls = [](const StartCall& start) {
    return RunLoad(kClients, {.duration = kRoundTime}, start).calls_per_second;
  };
  const Comparison result = Compare(
      kRounds,
      [&] {
        return calls([&](int call, std::function<void()> done) {
          cache.Get(call, std::move(done));
        });
      },
      [&] {
        return calls([&](int call, std::function<void()> done) {
          storage.clients().Echo(call, std::move(done));
        });
      });
  PrintRow("cache Get that hits, against empty calls of the server",
           absl::StrCat(Rounded(result.ours), "/s"),
           absl::StrCat(Rounded(result.theirs), "/s"),
           absl::StrCat(Rounded(result.ratio * 100), " %"), ">= 70 %");
}

}  // namespace

int Main() {
  engram::testing::TempDirectory directory;
  std::printf(
      "%s\n\n| what | ours | theirs | result | goal |\n"
      "| --- | --- | --- | --- | --- |\n",
      DescribeMachine(directory.path()).c_str());
  MeasureHits();
  return 0;
}

}  // namespace engram::benchmarks

int main() { return engram::benchmarks::Main(); }
