// Storage alone, with every way to read going on beside writers at full speed:
// nothing fails, the write-ahead log and the change log stay bounded, memory
// stays as it is, and who followed the changes has what storage has.
//
// Ten seconds by default; ENGRAM_SOAK_SECONDS=600 runs it for ten minutes and
// prints what it saw.

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/storage_process.h"
#include "tests/integration/store_checker.h"

namespace engram::e2e {
namespace {

namespace v1 = ::engram::storage::v1;

constexpr int kWriters = 2;
// Records that each writer keeps; from there on it deletes as many as it makes.
constexpr int kWindow = 5000;
constexpr int kCreates = 40;
constexpr int kUpdates = 20;
constexpr int kDimensions = 64;
constexpr int64_t kChangeLogBytes = int64_t{128} << 20;
// The writer's own checkpoint comes at 8 times --checkpoint-bytes; a commit may
// go beyond it.
constexpr int64_t kMaxWalBytes = 9 * (int64_t{32} << 20);

constexpr absl::string_view kSessions = R"yaml(
collection: sessions
fields:
  messages: {type: int}
  tokens: {type: int}
)yaml";
constexpr absl::string_view kMessages = R"yaml(
collection: messages
fields:
  session_id: {type: ref(sessions), required: true, on_delete: cascade}
  text: {type: text, required: true}
  tokens: {type: int, default: 0}
  tags: {type: strings, index: true}
full_text: [text]
history: {versions: 2}
rollups:
  - parent: session_id
    set: {messages: count, tokens: sum(tokens)}
vectors:
  meaning: {supplied: true, dimensions: 64}
)yaml";
constexpr absl::string_view kLinks = R"yaml(
collection: links
fields:
  source: {type: ref(messages), required: true, on_delete: cascade}
  target: {type: ref(messages), required: true, on_delete: cascade}
edges: {source: source, target: target}
)yaml";

absl::Duration SoakTime() {
  const char* const seconds = std::getenv("ENGRAM_SOAK_SECONDS");
  int value = 10;
  if (seconds != nullptr) {
    EXPECT_TRUE(absl::SimpleAtoi(seconds, &value));
  }
  return absl::Seconds(value);
}

void SetText(v1::Record& record, const std::string& field,
             const std::string& value) {
  (*record.mutable_fields()->mutable_fields())[field].set_string_value(value);
}

// Writes to a session of its own: new messages, changed ones, and the oldest
// ones deleted.
class Writer {
 public:
  explicit Writer(int number)
      : session_(absl::StrCat("s-", number)), random_(number + 1) {}

  grpc::Status Write(v1::RecordService::Stub& records) {
    v1::WriteRequest request;
    v1::Record& session = *NewItem(request, "sessions").mutable_upsert();
    session.set_id(session_);
    session.mutable_fields();
    for (int i = 0; i < kCreates; ++i) AddCreate(request);
    for (int i = 0; i < kUpdates; ++i) {
      AddMessage(request, oldest_ + random_.Below(newest_ - oldest_));
    }
    for (; newest_ - oldest_ > kWindow; ++oldest_) {
      NewItem(request, "messages").mutable_delete_()->set_id(IdOf(oldest_));
    }
    v1::WriteResponse response;
    return records.Write(Cluster::Context().get(), request, &response);
  }

 private:
  static v1::WriteItem& NewItem(v1::WriteRequest& request,
                                const std::string& collection) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection(collection);
    return item;
  }

  std::string IdOf(int number) const {
    return absl::StrCat(session_, "-", number);
  }

  void AddMessage(v1::WriteRequest& request, int number) {
    v1::Record& record = *NewItem(request, "messages").mutable_upsert();
    record.set_id(IdOf(number));
    SetText(record, "session_id", session_);
    const std::string text = random_(12);
    SetText(record, "text", text);
    auto& fields = *record.mutable_fields()->mutable_fields();
    fields["tokens"].set_number_value(static_cast<double>(text.size()));
    fields["tags"].mutable_list_value()->add_values()->set_string_value(
        text.substr(0, text.find(' ')));
  }

  void AddCreate(v1::WriteRequest& request) {
    AddMessage(request, newest_);
    v1::Record& record = *request.mutable_items()->rbegin()->mutable_upsert();
    v1::SuppliedVectors& vectors = *record.add_vectors();
    vectors.set_vector_field("meaning");
    std::vector<float> values(kDimensions, 0.0F);
    values[newest_ % kDimensions] = 1.0F;
    vectors.add_chunks()->set_values(std::string(
        reinterpret_cast<const char*>(values.data()), kDimensions * 4));
    if (newest_ > oldest_) {
      v1::Record& link = *NewItem(request, "links").mutable_upsert();
      SetText(link, "source", IdOf(newest_));
      SetText(link, "target", IdOf(oldest_ + random_.Below(newest_ - oldest_)));
    }
    ++newest_;
  }

  const std::string session_;
  RandomText random_;
  // Its messages have numbers from `oldest_` to `newest_` - 1.
  int oldest_ = 0;
  int newest_ = 0;
};

// Keeps a copy of the messages by the change feed, from its very beginning.
class Mirror {
 public:
  // Applies changes until the mirror is at `end`, or for ever if that is empty
  // still; acknowledges as it goes.
  void Follow(v1::FeedService::Stub& feed, const std::string& beginning,
              const std::function<std::string()>& end) {
    const auto context = Cluster::Context(absl::Hours(1));
    v1::WatchChangesRequest request;
    request.set_after_position(beginning);
    request.set_view(v1::FEED_VIEW_RECORD);
    request.add_collections("messages");
    const auto stream = feed.WatchChanges(context.get(), request);
    v1::WatchChangesResponse response;
    while (stream->Read(&response)) {
      for (const v1::Change& change : response.changes()) Apply(change);
      if (++messages_ % 64 == 0) Acknowledge(feed, response.position());
      const std::string until = end();
      if (!until.empty() &&
          SequenceOf(response.position()) >= SequenceOf(until)) {
        context->TryCancel();
        stream->Finish();
        return;
      }
    }
    ADD_FAILURE() << "the feed ended: " << stream->Finish().error_message();
  }

  const std::map<std::string, int64_t>& versions() const { return versions_; }
  int64_t changes() const { return changes_; }

 private:
  static int64_t SequenceOf(const std::string& position) {
    int64_t sequence = 0;
    EXPECT_TRUE(
        absl::SimpleAtoi(position.substr(position.rfind('.') + 1), &sequence));
    return sequence;
  }

  static void Acknowledge(v1::FeedService::Stub& feed,
                          const std::string& position) {
    v1::AcknowledgeChangesRequest request;
    request.set_follower("mirror");
    request.set_position(position);
    v1::AcknowledgeChangesResponse response;
    const grpc::Status status =
        feed.AcknowledgeChanges(Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  void Apply(const v1::Change& change) {
    ++changes_;
    if (change.has_record_deleted()) {
      versions_.erase(change.record_deleted().id());
    } else if (change.has_record_changed()) {
      const v1::RecordChanged& changed = change.record_changed();
      int64_t& version = versions_[changed.id()];
      EXPECT_EQ(changed.after().version(), version + 1) << changed.id();
      EXPECT_EQ(changed.before().version(), version) << changed.id();
      version = changed.after().version();
    }
  }

  std::map<std::string, int64_t> versions_;
  int64_t changes_ = 0;
  int64_t messages_ = 0;
};

// What the process's status says, in bytes.
int64_t AnonymousMemory(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string word;
  while (status >> word) {
    int64_t kilobytes = 0;
    if (word == "RssAnon:" && status >> kilobytes) return kilobytes << 10;
  }
  return 0;
}

int64_t FileSize(const std::string& path) {
  struct stat file;
  return stat(path.c_str(), &file) == 0 ? file.st_size : 0;
}

class StorageSoakTest : public ::testing::Test {
 protected:
  StorageSoakTest()
      : storage_({"--change-max-bytes", absl::StrCat(kChangeLogBytes)}) {
    storage_.Start();
    v1::ApplySchemaRequest schema;
    for (const absl::string_view document : {kSessions, kMessages, kLinks}) {
      schema.add_documents()->set_yaml(std::string(document));
    }
    v1::ApplySchemaResponse applied;
    const grpc::Status status =
        v1::CatalogService::NewStub(storage_.channel())
            ->ApplySchema(Cluster::Context().get(), schema, &applied);
    EXPECT_TRUE(status.ok()) << status.error_message();
    beginning_ = applied.position();
  }

  // Calls `step` again and again, on a thread of its own, until `ends` or a
  // failure.
  void Loop(const std::string& name, const std::atomic<bool>& ends,
            std::function<grpc::Status()> step) {
    threads_.emplace_back([this, name, &ends, step = std::move(step)] {
      int64_t steps = 0;
      while (!ends && !HasFailure()) {
        const grpc::Status status = step();
        EXPECT_TRUE(status.ok()) << name << ": " << status.error_message();
        ++steps;
      }
      std::printf("%-10s %8d\n", name.c_str(), static_cast<int>(steps));
    });
  }

  void StartReaders() {
    const auto records = [this] {
      return std::shared_ptr<v1::RecordService::Stub>(
          v1::RecordService::NewStub(storage_.channel()));
    };
    Loop("list", readers_end_,
         [stub = records(), this] { return ListSome(*stub); });
    Loop("aggregate", readers_end_, [stub = records()] {
      v1::AggregateRequest request;
      request.set_collection("messages");
      request.add_group_by()->set_field("session_id");
      v1::Aggregation& sum = *request.add_aggregations();
      sum.set_name("tokens");
      sum.set_function(v1::Aggregation::FUNCTION_SUM);
      sum.set_expression("tokens");
      v1::AggregateResponse response;
      return stub->Aggregate(Cluster::Context().get(), request, &response);
    });
    Loop("text", readers_end_, [stub = records()]() mutable {
      thread_local RandomText random(7);
      v1::SearchTextRequest request;
      request.set_collection("messages");
      request.set_query(random(1));
      request.mutable_snippets();
      v1::SearchTextResponse response;
      return stub->SearchText(Cluster::Context().get(), request, &response);
    });
    Loop("traverse", readers_end_, [stub = records(), this] {
      v1::TraverseRequest request;
      request.set_collection("links");
      request.add_start(AnyMessage());
      request.set_direction(v1::DIRECTION_BOTH);
      request.set_max_depth(3);
      v1::TraverseResponse response;
      return stub->Traverse(Cluster::Context().get(), request, &response);
    });
    Loop("export", readers_end_, [stub = records()] {
      v1::ExportRequest request;
      request.set_collection("messages");
      const auto context = Cluster::Context();
      const auto stream = stub->Export(context.get(), request);
      v1::ExportResponse response;
      while (stream->Read(&response)) continue;
      return stream->Finish();
    });
    Loop("query", readers_end_, [stub = records()] {
      v1::QueryRequest request;
      request.set_sql("SELECT count(*), avg(tokens) FROM messages");
      v1::QueryResponse response;
      return stub->Query(Cluster::Context().get(), request, &response);
    });
    Loop("snapshot", readers_end_,
         [feed = std::shared_ptr<v1::FeedService::Stub>(
              v1::FeedService::NewStub(storage_.channel()))] {
           const auto context = Cluster::Context();
           const auto stream = feed->StreamSnapshot(context.get(), {});
           v1::StreamSnapshotResponse response;
           while (stream->Read(&response)) continue;
           return stream->Finish();
         });
  }

  // A page in the order of creation, the newest first, with the total.
  grpc::Status ListSome(v1::RecordService::Stub& stub) {
    v1::RecordServiceListRequest request;
    request.set_collection("messages");
    request.set_filter("session_id = :session");
    (*request.mutable_parameters()->mutable_fields())["session"]
        .set_string_value("s-0");
    request.set_order_by("_row desc");
    request.set_with_total(true);
    v1::RecordServiceListResponse response;
    const grpc::Status status =
        stub.List(Cluster::Context().get(), request, &response);
    if (!status.ok()) return status;
    EXPECT_GE(response.total_size(), response.records_size());
    EXPECT_LE(response.total_size(), kWindow + kCreates);
    if (response.records_size() > 0) {
      absl::MutexLock lock(&mutex_);
      any_message_ = response.records(0).id();
    }
    return status;
  }

  std::string AnyMessage() {
    absl::MutexLock lock(&mutex_);
    return any_message_;
  }

  // The version of every message, and the position after the newest write.
  std::map<std::string, int64_t> ListVersionsOfAll() {
    const auto records = v1::RecordService::NewStub(storage_.channel());
    std::map<std::string, int64_t> versions;
    v1::RecordServiceListRequest request;
    request.set_collection("messages");
    request.set_page_size(1000);
    request.mutable_read_mask()->add_paths("id");
    do {
      v1::RecordServiceListResponse response;
      const grpc::Status status =
          records->List(Cluster::Context().get(), request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const v1::Record& record : response.records()) {
        versions[record.id()] = record.version();
      }
      request.set_page_token(response.next_page_token());
      absl::MutexLock lock(&mutex_);
      end_ = response.position();
    } while (!request.page_token().empty());
    return versions;
  }

  // Watches memory and log until the time is over.
  void Watch() {
    const absl::Time end = absl::Now() + SoakTime();
    while (absl::Now() < end && !HasFailure()) {
      absl::SleepFor(absl::Milliseconds(200));
      memory_.push_back(AnonymousMemory(storage_.pid()));
      max_wal_ =
          std::max(max_wal_, FileSize(absl::StrCat(storage_.File(), "-wal")));
    }
  }

  // The most memory in one quarter of the time.
  int64_t PeakOfQuarter(int quarter) const {
    const size_t size = memory_.size() / 4;
    return *std::max_element(memory_.begin() + quarter * size,
                             memory_.begin() + (quarter + 1) * size);
  }

  StorageProcess storage_;
  std::string beginning_;
  std::atomic<bool> writers_end_ = false;
  std::atomic<bool> readers_end_ = false;
  std::vector<std::thread> threads_;
  std::vector<int64_t> memory_;
  int64_t max_wal_ = 0;

  absl::Mutex mutex_;
  std::string any_message_ ABSL_GUARDED_BY(mutex_) = "s-0-0";
  // Where the mirror stops; empty until the writers have.
  std::string end_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(StorageSoakTest, ReadersAndFollowersHoldBesideWritersAtFullSpeed) {
  for (int i = 0; i < kWriters; ++i) {
    Loop("write", writers_end_,
         [writer = std::make_shared<Writer>(i),
          stub = std::shared_ptr<v1::RecordService::Stub>(
              v1::RecordService::NewStub(storage_.channel()))] {
           return writer->Write(*stub);
         });
  }
  StartReaders();
  Mirror mirror;
  std::thread follower([&] {
    const auto feed = v1::FeedService::NewStub(storage_.channel());
    mirror.Follow(*feed, beginning_, [this] {
      absl::MutexLock lock(&mutex_);
      return end_;
    });
  });

  Watch();
  readers_end_ = true;
  writers_end_ = true;
  for (std::thread& thread : threads_) thread.join();
  const std::map<std::string, int64_t> versions = ListVersionsOfAll();
  follower.join();

  EXPECT_EQ(mirror.versions(), versions);
  EXPECT_LT(max_wal_, kMaxWalBytes);
  const int64_t early = PeakOfQuarter(1);
  const int64_t late = PeakOfQuarter(3);
  // What has not been used yet in the first seconds comes to some tens of MB.
  EXPECT_LT(late, early + early / 5 + (int64_t{64} << 20));
  std::printf(
      "followed   %8d changes\nlog        %8d MB at most\nmemory     %8d MB "
      "in the second quarter, %d MB in the last\nfile       %8d MB\n",
      static_cast<int>(mirror.changes()), static_cast<int>(max_wal_ >> 20),
      static_cast<int>(early >> 20), static_cast<int>(late >> 20),
      static_cast<int>(FileSize(storage_.File()) >> 20));
  EXPECT_EQ(storage_.Stop(), 0);
  EXPECT_OK(storage::testing::CheckStore(storage_.File()));
}

}  // namespace
}  // namespace engram::e2e
