// How fast storage feeds its followers. README.md has the command and results.
//
//   feed_benchmark [snapshot] [changes] [latency]
//
// TMPDIR decides which disk is measured. Results go to standard output as rows
// of a Markdown table.

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "libs/position/position.h"
#include "libs/rpc/arena_message.h"
#include "libs/rpc/byte_buffer.h"
#include "libs/sqlite/connection.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/hand_written_store.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"

namespace engram::benchmarks {
namespace {

using storage::v1::FeedService;

constexpr int kRounds = 7;
constexpr int kVectors = 200'000;
constexpr int kDimensions = 384;
// Of the bare stream, some 300 MB.
constexpr int kBareMessages = 600;
constexpr int64_t kUsualBytes = 400'000;
constexpr int kChanges = 500'000;
constexpr int kBatch = 500;
constexpr int kMoments = 1000;

constexpr char kMemories[] = R"yaml(collection: memories
fields:
  text: {type: text}
vectors:
  embedding: {supplied: true, dimensions: 384}
)yaml";

std::unique_ptr<FeedService::Stub> Feed(
    const std::shared_ptr<grpc::Channel>& channel) {
  return FeedService::NewStub(channel);
}

void Write(Clients& clients, const storage::v1::WriteRequest& request) {
  grpc::ClientContext context;
  storage::v1::WriteResponse response;
  CheckOk(storage::v1::RecordService::NewStub(clients.channel())
              ->Write(&context, request, &response));
}

// Records with a vector each, some 200 bytes of text beside it.
void WriteVectors(Clients& clients) {
  std::string vector(kDimensions * sizeof(float), '\0');
  for (int written = 0; written < kVectors; written += kBatch) {
    storage::v1::WriteRequest request;
    for (int i = 0; i < kBatch; ++i) {
      storage::v1::WriteItem& item = *request.add_items();
      item.set_collection("memories");
      (*item.mutable_create()->mutable_fields()->mutable_fields())["text"]
          .set_string_value(std::string(200, 'x'));
      storage::v1::SuppliedVectors& supplied =
          *item.mutable_create()->add_vectors();
      supplied.set_vector_field("embedding");
      const float first = static_cast<float>(written + i + 1);
      std::copy_n(reinterpret_cast<const char*>(&first), sizeof(first),
                  vector.begin());
      supplied.add_chunks()->set_values(vector);
    }
    Write(clients, request);
  }
}

int64_t VectorBytes(const storage::v1::StreamSnapshotResponse& part) {
  int64_t bytes = 0;
  for (const storage::v1::StoredVectors& stored : part.records().vectors()) {
    bytes += static_cast<int64_t>(stored.values().size());
  }
  return bytes;
}

// Megabytes of vectors a second, by a snapshot.
double StreamSnapshot(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  int64_t bytes = 0;
  const absl::Time start = absl::Now();
  const auto reader = Feed(channel)->StreamSnapshot(&context, {});
  // As search reads it.
  rpc::ArenaMessage<storage::v1::StreamSnapshotResponse> message;
  storage::v1::StreamSnapshotResponse* part = message.Renew();
  while (reader->Read(part)) {
    bytes += VectorBytes(*part);
    part = message.Renew();
  }
  CheckOk(reader->Finish());
  return static_cast<double>(bytes) / 1e6 /
         absl::ToDoubleSeconds(absl::Now() - start);
}

// The same by a scan of the table of vectors in this process.
double ScanTable(sqlite::Connection& connection) {
  std::string vector(kDimensions * sizeof(float), '\0');
  int64_t bytes = 0;
  const absl::Time start = absl::Now();
  sqlite::Statement scan =
      CheckOk(connection.Cached("SELECT _key, vector FROM _vectors_1"));
  while (CheckOk(scan.Step())) {
    const absl::string_view blob = scan.Blob(1);
    std::copy(blob.begin(), blob.end(), vector.begin());
    bytes += static_cast<int64_t>(blob.size());
  }
  return static_cast<double>(bytes) / 1e6 /
         absl::ToDoubleSeconds(absl::Now() - start);
}

// Sends one message of a snapshot as often as there are some in it: what a
// stream takes that reads no database.
class BareFeed final : public FeedService::WithRawCallbackMethod_StreamSnapshot<
                           FeedService::Service> {
 public:
  explicit BareFeed(const grpc::ByteBuffer& message) : message_(message) {}

 private:
  class Stream : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
   public:
    explicit Stream(const grpc::ByteBuffer* message) : message_(message) {
      OnWriteDone(true);
    }

   private:
    void OnWriteDone(bool ok) override {
      if (!ok || sent_++ == kBareMessages) return Finish(grpc::Status::OK);
      StartWrite(message_);
    }
    void OnDone() override { delete this; }

    const grpc::ByteBuffer* const message_;
    int sent_ = 0;
  };

  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamSnapshot(
      grpc::CallbackServerContext*, const grpc::ByteBuffer*) override {
    return new Stream(&message_);
  }

  const grpc::ByteBuffer message_;
};

// The first message of usual size.
grpc::ByteBuffer SnapshotMessage(
    const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  const auto reader = Feed(channel)->StreamSnapshot(&context, {});
  storage::v1::StreamSnapshotResponse message;
  while (reader->Read(&message)) {
    if (VectorBytes(message) < kUsualBytes) continue;
    context.TryCancel();
    reader->Finish();
    return rpc::ToByteBuffer(message.SerializeAsString());
  }
  CheckOk(absl::NotFoundError("no large message"));
  return {};
}

void PrintSnapshot(absl::string_view what, const Comparison& speed,
                   absl::string_view goal) {
  PrintRow(what, absl::StrCat(Rounded(speed.ours), " MB/s"),
           absl::StrCat(Rounded(speed.theirs), " MB/s"),
           absl::StrCat(Rounded(speed.ratio * 100), " %"), goal);
}

void MeasureSnapshot() {
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  ApplySchema(storage.clients().channel(), kMemories);
  WriteVectors(storage.clients());
  const auto connection = CheckOk(sqlite::Connection::Open(
      storage.DatabaseFile(), sqlite::Access::kReadOnly));
  const auto scan = [&] { return ScanTable(*connection); };
  // As search connects to storage: inside one process, and to another.
  const auto near = storage.InProcessChannel();
  PrintSnapshot("snapshot of 384-d vectors within a process, against a scan",
                Compare(
                    kRounds, [&] { return StreamSnapshot(near); }, scan),
                ">= 60 %");
  const auto far = lifecycle::ConnectTo(storage.address());
  PrintSnapshot("the same over TCP",
                Compare(
                    kRounds, [&] { return StreamSnapshot(far); }, scan),
                "");
  // How much of that is TCP's and gRPC's.
  BareFeed bare(SnapshotMessage(near));
  prometheus::Registry registry;
  const auto bare_endpoint = CheckOk(lifecycle::GrpcEndpoint::Start(
      {.listen = "127.0.0.1:0"}, registry, {&bare}));
  const auto bare_channel =
      lifecycle::ConnectTo(absl::StrCat("127.0.0.1:", bare_endpoint->port()));
  const auto stream = [&] { return StreamSnapshot(bare_channel); };
  PrintSnapshot("a bare stream of the same messages over TCP, against a scan",
                Compare(kRounds, stream, scan), "");
  PrintSnapshot("snapshot over TCP, against a scan and then a bare stream",
                Compare(
                    kRounds, [&] { return StreamSnapshot(far); },
                    [&] { return 1 / (1 / scan() + 1 / stream()); }),
                "");
}

// Changes a second, of all there are.
double FollowChanges(const std::shared_ptr<grpc::Channel>& channel,
                     const storage::v1::WatchChangesRequest& request) {
  grpc::ClientContext context;
  int64_t changes = 0;
  const absl::Time start = absl::Now();
  const auto reader = Feed(channel)->WatchChanges(&context, request);
  storage::v1::WatchChangesResponse response;
  while (reader->Read(&response)) {
    changes += response.changes_size();
    if (response.position() == response.newest_position()) break;
  }
  const absl::Duration took = absl::Now() - start;
  context.TryCancel();
  reader->Finish();
  return static_cast<double>(changes) / absl::ToDoubleSeconds(took);
}

std::string FirstPosition(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  const auto reader = Feed(channel)->WatchChanges(&context, {});
  storage::v1::WatchChangesResponse response;
  if (!reader->Read(&response)) CheckOk(reader->Finish());
  Position position = CheckOk(Position::Parse(response.position()));
  position.sequence = 0;
  return position.ToString();
}

std::vector<Note> NewNotes(int count) {
  std::vector<Note> notes;
  notes.reserve(count);
  for (int i = 0; i < count; ++i) notes.push_back(NewNote());
  return notes;
}

void MeasureChanges() {
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  for (int i = 0; i < kChanges; i += kBatch) {
    Write(storage.clients(), MakeRequest(NewNotes(kBatch), Body::kStruct));
  }
  const auto channel = lifecycle::ConnectTo(storage.address());
  storage::v1::WatchChangesRequest request;
  request.set_after_position(FirstPosition(channel));
  const auto measure = [&](absl::string_view what, absl::string_view goal) {
    std::vector<double> rates;
    rates.reserve(kRounds);
    for (int round = 0; round < kRounds; ++round) {
      rates.push_back(FollowChanges(channel, request));
    }
    PrintRow(what, absl::StrCat(Rounded(Median(rates)), "/s"), "", "", goal);
  };
  measure("change feed to one follower, INDEX view", ">= 100000/s");
  request.set_view(storage::v1::FEED_VIEW_RECORD);
  request.set_typed(true);
  measure("the same, RECORD view with typed records", "");
  request.set_typed(false);
  measure("the same, RECORD view", "");
}

// From the beginning of a commit, its sync included, to the delivery.
void MeasureLatency() {
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  const auto channel = lifecycle::ConnectTo(storage.address());
  grpc::ClientContext context;
  const auto reader = Feed(channel)->WatchChanges(&context, {});
  storage::v1::WatchChangesResponse response;
  if (!reader->Read(&response)) CheckOk(reader->Finish());
  std::vector<double> milliseconds;
  for (int i = 0; i < kMoments; ++i) {
    Write(storage.clients(), MakeRequest({NewNote()}, Body::kStruct));
    if (!reader->Read(&response)) CheckOk(reader->Finish());
    const auto& time = response.changes(0).commit_time();
    const absl::Time committed =
        absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
    milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - committed));
  }
  context.TryCancel();
  reader->Finish();
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto percentile = [&](double share) {
    return absl::StrCat(
        Rounded(milliseconds[static_cast<size_t>(share * (kMoments - 1))],
                "%.2f"),
        " ms");
  };
  PrintRow("begin of the commit to delivery, idle, p99", percentile(0.99), "",
           absl::StrCat("p50 ", percentile(0.5)), "< 5 ms");
}

}  // namespace

int Main(int argc, char** argv) {
  const std::vector<std::pair<std::string, std::function<void()>>> parts = {
      {"snapshot", MeasureSnapshot},
      {"changes", MeasureChanges},
      {"latency", MeasureLatency},
  };
  const std::set<std::string> wanted(argv + 1, argv + argc);
  engram::testing::TempDirectory directory;
  std::printf(
      "%s\n\n| what | ours | theirs | result | goal |\n"
      "| --- | --- | --- | --- | --- |\n",
      DescribeMachine(directory.path()).c_str());
  for (const auto& [name, measure] : parts) {
    if (wanted.empty() || wanted.count(name) > 0) measure();
  }
  return 0;
}

}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
