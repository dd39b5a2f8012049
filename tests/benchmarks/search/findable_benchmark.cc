// How soon a text that was written can be found, by the built-in model: see
// README.md.
//
//   findable_benchmark
//
// Storage, embedding, search and the client share a process and talk over TCP.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "services/embedding/embedding_server.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/local_search.h"

namespace engram::benchmarks {
namespace {

using search::v1::IndexService;
using storage::v1::CatalogService;
using storage::v1::RecordService;

constexpr int kWarmUp = 200;
constexpr int kMoments = 2000;
constexpr absl::Duration kBetweenWrites = absl::Milliseconds(1);
// Of the writes under load, every so many is waited for.
constexpr int kWatched = 10;
constexpr int kLoadWrites = 20'000;

constexpr char kMemories[] = R"yaml(collection: memories
fields:
  text: {type: text}
vectors:
  text: {source: [text], model: default}
)yaml";

// Waits until storage knows the models that embedding has.
void AwaitModels(const std::shared_ptr<grpc::Channel>& channel) {
  const auto catalog = CatalogService::NewStub(channel);
  storage::v1::PlanSchemaRequest request;
  request.mutable_target()->add_documents()->set_yaml(kMemories);
  while (true) {
    grpc::ClientContext context;
    storage::v1::PlanSchemaResponse response;
    if (catalog->PlanSchema(&context, request, &response).ok()) return;
    absl::SleepFor(absl::Milliseconds(10));
  }
}

storage::v1::WriteRequest NewText(int number) {
  storage::v1::WriteRequest request;
  storage::v1::WriteItem& item = *request.add_items();
  item.set_collection("memories");
  (*item.mutable_create()->mutable_fields()->mutable_fields())["text"]
      .set_string_value(absl::StrCat(
          "The user prefers tea to coffee, said so on day ", number,
          " and wants to be reminded of it in the afternoon."));
  return request;
}

// The three services, and a client.
class Services {
 public:
  Services()
      : storage_(HandWrittenStore::FullText::kNone),
        embedding_(CheckOk(embedding::EmbeddingServer::Create({}, registry_))),
        channel_(lifecycle::ConnectTo(storage_.address())) {
    // As separate processes have it.
    CheckOk(embedding_->Start({.storage = channel_}));
    AwaitModels(channel_);
    ApplySchema(channel_, kMemories);
    // The texts are found by position; no query is embedded.
    search_ = std::make_unique<LocalSearch>(search::SearchPeers{
        lifecycle::ConnectTo(storage_.address()), storage_.InProcessChannel()});
    records_ = RecordService::NewStub(channel_);
    indexes_ = IndexService::NewStub(search_->channel());
  }
  ~Services() {
    search_.reset();
    embedding_->Stop();
  }

  RecordService::Stub& records() { return *records_; }
  IndexService::Stub& indexes() { return *indexes_; }

 private:
  LocalStorage storage_;
  prometheus::Registry registry_;
  std::unique_ptr<embedding::EmbeddingServer> embedding_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<LocalSearch> search_;
  std::unique_ptr<RecordService::Stub> records_;
  std::unique_ptr<IndexService::Stub> indexes_;
};

// One text after the other, from the answer to the write to the answer that all
// up to it can be found; in milliseconds.
std::vector<double> MeasureIdle(Services& services) {
  std::vector<double> milliseconds;
  for (int i = 0; i < kWarmUp + kMoments; ++i) {
    storage::v1::WriteResponse written;
    {
      grpc::ClientContext context;
      CheckOk(services.records().Write(&context, NewText(i), &written));
    }
    const absl::Time acknowledged = absl::Now();
    search::v1::WaitForPositionRequest request;
    request.set_position(written.position());
    search::v1::WaitForPositionResponse response;
    grpc::ClientContext context;
    CheckOk(services.indexes().WaitForPosition(&context, request, &response));
    if (i < kWarmUp) continue;
    milliseconds.push_back(
        absl::ToDoubleMilliseconds(absl::Now() - acknowledged));
  }
  return milliseconds;
}

// Writes a text each millisecond, whatever comes of those before, and waits for
// some of them.
class WritesUnderLoad {
 public:
  explicit WritesUnderLoad(Services& services) : services_(services) {}

  std::vector<double> Run() {
    const absl::Time begin = absl::Now();
    for (int i = 0; i < kLoadWrites; ++i) {
      const absl::Duration early = begin + i * kBetweenWrites - absl::Now();
      // The clock's tick is coarser than a pause may be.
      if (early > absl::ZeroDuration()) absl::SleepFor(early);
      Write(i);
    }
    writes_a_second_ = kLoadWrites / absl::ToDoubleSeconds(absl::Now() - begin);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](WritesUnderLoad* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
          return self->under_way_ == 0;
        },
        this));
    return milliseconds_;
  }

  double writes_a_second() const { return writes_a_second_; }

 private:
  struct WriteCall {
    grpc::ClientContext context;
    storage::v1::WriteRequest request;
    storage::v1::WriteResponse response;
  };
  struct WaitCall {
    grpc::ClientContext context;
    search::v1::WaitForPositionRequest request;
    search::v1::WaitForPositionResponse response;
  };

  void Write(int number) {
    {
      absl::MutexLock lock(&mutex_);
      ++under_way_;
    }
    auto call = std::make_shared<WriteCall>();
    call->request = NewText(kWarmUp + kMoments + number);
    services_.records().async()->Write(
        &call->context, &call->request, &call->response,
        [this, call, number](const grpc::Status& status) {
          CheckOk(status);
          if (number < kLoadWrites / 10 || number % kWatched != 0) {
            return End();
          }
          Wait(call->response.position());
        });
  }

  void Wait(const std::string& position) {
    const absl::Time acknowledged = absl::Now();
    auto call = std::make_shared<WaitCall>();
    call->request.set_position(position);
    services_.indexes().async()->WaitForPosition(
        &call->context, &call->request, &call->response,
        [this, call, acknowledged](const grpc::Status& status) {
          CheckOk(status);
          const absl::Duration took = absl::Now() - acknowledged;
          {
            absl::MutexLock lock(&mutex_);
            milliseconds_.push_back(absl::ToDoubleMilliseconds(took));
          }
          End();
        });
  }

  void End() {
    absl::MutexLock lock(&mutex_);
    --under_way_;
  }

  Services& services_;
  double writes_a_second_ = 0;
  absl::Mutex mutex_;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<double> milliseconds_ ABSL_GUARDED_BY(mutex_);
};

void Print(absl::string_view what, std::vector<double> milliseconds,
           absl::string_view goal) {
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto percentile = [&](double share) {
    const auto last = static_cast<double>(milliseconds.size() - 1);
    return absl::StrCat(
        Rounded(milliseconds[static_cast<size_t>(share * last)], "%.2f"),
        " ms");
  };
  PrintRow(absl::StrCat("write acknowledged to findable, ", what, ", p99"),
           percentile(0.99), "", absl::StrCat("p50 ", percentile(0.5)), goal);
}

}  // namespace

int Main() {
  Services services;
  Print("idle", MeasureIdle(services), "< 20 ms");
  WritesUnderLoad load(services);
  const std::vector<double> milliseconds = load.Run();
  Print(absl::StrCat("at ", Rounded(load.writes_a_second()), " writes/s"),
        milliseconds, "< 250 ms");
  return 0;
}

}  // namespace engram::benchmarks

int main() { return engram::benchmarks::Main(); }
