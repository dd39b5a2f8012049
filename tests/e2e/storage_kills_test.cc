// Storage alone, killed a hundred times while clients write: what was
// acknowledged is there, every write is there as a whole or not at all, and a
// client that repeats the one it does not know of changes nothing twice.

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/storage_process.h"
#include "tests/integration/store_checker.h"

namespace engram::e2e {
namespace {

constexpr int kKills = 100;
constexpr int kWriters = 4;
constexpr int kCreates = 5;
constexpr int kRewrites = 2;
constexpr int kDeletes = 2;

// Everything that one transaction has to keep together: a counter in another
// table, full text, old versions, a key.
constexpr absl::string_view kSessions = R"yaml(
collection: sessions
fields:
  title: {type: string, required: true, unique: true}
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
history: {versions: 3}
rollups:
  - parent: session_id
    set: {messages: count, tokens: sum(tokens)}
)yaml";

// Writes to a session of its own, and knows what must be there.
class Writer {
 public:
  explicit Writer(int number)
      : session_(absl::StrCat("s-", number)), random_(number) {}

  // Writes until a call fails.
  void Run(const std::shared_ptr<grpc::Channel>& channel) {
    const auto records = storage::v1::RecordService::NewStub(channel);
    while (true) {
      Prepare();
      if (!Send(*records).ok()) return;
      Settle();
    }
  }

  // After a restart: the write under way is whole or not there, and a repeat of
  // it succeeds. Then checks what was written since the last check.
  void Check(const std::shared_ptr<grpc::Channel>& channel) {
    const auto records = storage::v1::RecordService::NewStub(channel);
    const auto created = Get(*records, created_);
    EXPECT_TRUE(created.records_size() == 0 || created.missing_ids_size() == 0)
        << "a write is half there";
    ASSERT_OK_STATUS(Send(*records));
    Settle();
    std::vector<std::string> touched(touched_.begin(), touched_.end());
    touched_.clear();
    for (size_t i = 0; i < touched.size(); i += 1000) {
      CheckRecords(*records,
                   {touched.begin() + i,
                    touched.begin() + std::min(touched.size(), i + 1000)});
    }
  }

  // Checks all there ever was.
  void CheckEverything(const std::shared_ptr<grpc::Channel>& channel) {
    for (int i = 0; i < next_id_; ++i) touched_.insert(IdOf(i));
    Check(channel);
  }

  int acknowledged() const { return acknowledged_; }

 private:
  static void ASSERT_OK_STATUS(const grpc::Status& status) {
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  std::string IdOf(int number) const {
    return absl::StrCat(session_, "-", number);
  }

  // Makes the next request: a few new messages, some rewritten, some deleted.
  void Prepare() {
    request_.Clear();
    after_.clear();
    created_.clear();
    request_.set_request_id(absl::StrCat(session_, "/", ++requests_));
    storage::v1::WriteItem& session = *request_.add_items();
    session.set_collection("sessions");
    session.mutable_upsert()->set_id(session_);
    SetField(*session.mutable_upsert(), "title", session_);
    for (int i = 0; i < kCreates; ++i) {
      created_.push_back(IdOf(next_id_++));
      after_[created_.back()] = random_(8);
    }
    for (int i = 0; i < kRewrites + kDeletes && !texts_.empty(); ++i) {
      auto victim = texts_.lower_bound(IdOf(random_.Below(next_id_)));
      if (victim == texts_.end()) victim = texts_.begin();
      after_[victim->first] = i < kRewrites ? random_(8) : "";
    }
    for (const auto& [id, text] : after_) {
      storage::v1::WriteItem& item = *request_.add_items();
      item.set_collection("messages");
      if (text.empty()) {
        item.mutable_delete_()->set_id(id);
        continue;
      }
      storage::v1::Record& record = *item.mutable_upsert();
      record.set_id(id);
      SetField(record, "session_id", session_);
      SetField(record, "text", text);
      auto& fields = *record.mutable_fields()->mutable_fields();
      fields["tokens"].set_number_value(static_cast<double>(text.size()));
      fields["tags"].mutable_list_value()->add_values()->set_string_value(
          text.substr(0, text.find(' ')));
    }
  }

  static void SetField(storage::v1::Record& record, const std::string& name,
                       const std::string& value) {
    (*record.mutable_fields()->mutable_fields())[name].set_string_value(value);
  }

  grpc::Status Send(storage::v1::RecordService::Stub& records) {
    storage::v1::WriteResponse response;
    return records.Write(Cluster::Context().get(), request_, &response);
  }

  // Takes the request as done.
  void Settle() {
    for (const auto& [id, text] : after_) {
      touched_.insert(id);
      if (text.empty()) {
        texts_.erase(id);
      } else {
        texts_[id] = text;
      }
    }
    after_.clear();
    ++acknowledged_;
  }

  static storage::v1::BatchGetResponse Get(
      storage::v1::RecordService::Stub& records,
      const std::vector<std::string>& ids) {
    storage::v1::BatchGetRequest request;
    request.set_collection("messages");
    request.mutable_ids()->Add(ids.begin(), ids.end());
    storage::v1::BatchGetResponse response;
    const grpc::Status status =
        records.BatchGet(Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  void CheckRecords(storage::v1::RecordService::Stub& records,
                    const std::vector<std::string>& ids) {
    const auto found = Get(records, ids);
    for (const std::string& id : found.missing_ids()) {
      EXPECT_EQ(texts_.count(id), 0) << id << " is lost";
    }
    for (const storage::v1::Record& record : found.records()) {
      const auto text = texts_.find(record.id());
      ASSERT_NE(text, texts_.end()) << record.id() << " was deleted";
      EXPECT_EQ(record.fields().fields().at("text").string_value(),
                text->second);
    }
  }

  const std::string session_;
  RandomText random_;
  int next_id_ = 0;
  int requests_ = 0;
  int acknowledged_ = 0;
  std::map<std::string, std::string> texts_;
  // What was written since the last check.
  std::set<std::string> touched_;
  // The request under way, what it makes of records (an empty text is a
  // delete), and the ids that nobody but it creates.
  storage::v1::WriteRequest request_;
  std::map<std::string, std::string> after_;
  std::vector<std::string> created_;
};

TEST(StorageKillsTest, AHundredKillsUnderLoadLoseNothingAndLeaveNothingHalf) {
  StorageProcess storage;
  storage.Start();
  storage::v1::ApplySchemaRequest schema;
  schema.add_documents()->set_yaml(std::string(kSessions));
  schema.add_documents()->set_yaml(std::string(kMessages));
  storage::v1::ApplySchemaResponse applied;
  const grpc::Status status =
      storage::v1::CatalogService::NewStub(storage.channel())
          ->ApplySchema(Cluster::Context().get(), schema, &applied);
  ASSERT_TRUE(status.ok()) << status.error_message();

  std::vector<Writer> writers;
  for (int i = 0; i < kWriters; ++i) writers.emplace_back(i);
  RandomText random(::testing::UnitTest::GetInstance()->random_seed());
  for (int kill = 0; kill < kKills; ++kill) {
    SCOPED_TRACE(absl::StrCat("kill ", kill));
    std::vector<std::thread> threads;
    for (Writer& writer : writers) {
      threads.emplace_back([&] { writer.Run(storage.channel()); });
    }
    // A random moment is the point.
    absl::SleepFor(absl::Milliseconds(20 + random.Below(150)));
    storage.Kill();
    for (std::thread& thread : threads) thread.join();
    storage.Start();
    for (Writer& writer : writers) writer.Check(storage.channel());
    if (::testing::Test::HasFailure()) return;
  }
  int acknowledged = 0;
  for (Writer& writer : writers) {
    writer.CheckEverything(storage.channel());
    acknowledged += writer.acknowledged();
  }
  EXPECT_GT(acknowledged, 10 * kKills);
  EXPECT_EQ(storage.Stop(), 0);
  EXPECT_OK(storage::testing::CheckStore(storage.File()));
}

}  // namespace
}  // namespace engram::e2e
