// How soon a written text has its vector. README.md has the command and
// results.
//
//   outbox_benchmark
//
// TMPDIR decides which disk is measured. Results go to standard output as rows
// of a Markdown table.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "services/embedding/embedding_server.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"

namespace engram::benchmarks {
namespace {

using storage::v1::CatalogService;
using storage::v1::FeedService;
using storage::v1::RecordService;

constexpr int kWarmUp = 200;
constexpr int kMoments = 2000;

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

// From the begin of the commit that wrote a text to the delivery of its vector
// by the feed, in milliseconds, one text after the other.
std::vector<double> Measure(const std::shared_ptr<grpc::Channel>& channel) {
  const auto records = RecordService::NewStub(channel);
  const auto feed = FeedService::NewStub(channel);
  grpc::ClientContext context;
  const auto reader = feed->WatchChanges(&context, {});
  storage::v1::WatchChangesResponse response;
  if (!reader->Read(&response)) CheckOk(reader->Finish());
  std::vector<double> milliseconds;
  for (int i = 0; i < kWarmUp + kMoments; ++i) {
    grpc::ClientContext write_context;
    storage::v1::WriteResponse written;
    CheckOk(records->Write(&write_context, NewText(i), &written));
    absl::Time committed;
    for (bool is_stored = false; !is_stored;) {
      if (!reader->Read(&response)) CheckOk(reader->Finish());
      for (const storage::v1::Change& change : response.changes()) {
        const auto& time = change.commit_time();
        if (change.has_record_changed()) {
          committed = absl::FromUnixSeconds(time.seconds()) +
                      absl::Nanoseconds(time.nanos());
        }
        is_stored |= change.has_vectors_stored();
      }
    }
    if (i < kWarmUp) continue;
    milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - committed));
  }
  context.TryCancel();
  reader->Finish();
  std::sort(milliseconds.begin(), milliseconds.end());
  return milliseconds;
}

}  // namespace

int Main() {
  engram::testing::TempDirectory directory;
  std::printf(
      "%s\n\n| what | ours | theirs | result | goal |\n"
      "| --- | --- | --- | --- | --- |\n",
      DescribeMachine(directory.path()).c_str());
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  prometheus::Registry registry;
  const auto embedding =
      CheckOk(embedding::EmbeddingServer::Create({}, registry));
  // As separate processes have it; engramd saves the two trips over TCP.
  const std::shared_ptr<grpc::Channel> channel =
      lifecycle::ConnectTo(storage.address());
  CheckOk(embedding->Start({.storage = channel}));
  AwaitModels(channel);
  ApplySchema(channel, kMemories);
  const std::vector<double> sorted = Measure(channel);
  const auto percentile = [&](double share) {
    return absl::StrCat(
        Rounded(sorted[static_cast<size_t>(share * (kMoments - 1))], "%.2f"),
        " ms");
  };
  PrintRow("begin of the text's commit to delivery of its vector, idle, p99",
           percentile(0.99), "", absl::StrCat("p50 ", percentile(0.5)),
           "< 10 ms");
  embedding->Stop();
  return 0;
}

}  // namespace engram::benchmarks

int main() { return engram::benchmarks::Main(); }
