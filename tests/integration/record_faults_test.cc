// Power losses and full disks under the whole write path: schemas, refs,
// roll-ups, full text, history.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/clock/clock.h"
#include "libs/log/log.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/fault_vfs.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/integration/direct_store.h"
#include "tests/integration/store_checker.h"

namespace engram::storage::testing {
namespace {

constexpr int kLosses = 200;
constexpr int kWriters = 3;
// Files start afresh after so many losses, to stay small.
constexpr int kLossesOfOneFile = 20;

constexpr char kSessions[] = R"yaml(
collection: sessions
fields:
  title: {type: string, unique: true}
  messages: {type: int}
)yaml";
constexpr char kMessages[] = R"yaml(
collection: messages
fields:
  session_id: {type: ref(sessions), on_delete: cascade, required: true}
  text: {type: text, required: true}
  tags: {type: strings, index: true}
full_text: [text]
history: {versions: 2}
rollups:
  - parent: session_id
    set: {messages: count}
)yaml";
// Makes the table of messages anew.
constexpr char kOtherMessages[] = R"yaml(
collection: messages
fields:
  session_id: {type: ref(sessions), on_delete: set_null}
  body: {type: text, required: true, renamed_from: text}
  tags: {type: strings}
  score: {type: double, default: 0.5, index: true}
full_text: [body]
)yaml";

// A session with messages, whole.
v1::WriteRequest SessionOf(const std::string& id, int messages) {
  v1::WriteRequest request;
  v1::WriteItem& session = *request.add_items();
  session.set_collection("sessions");
  session.mutable_upsert()->set_id(id);
  auto& title = *session.mutable_upsert()->mutable_fields();
  (*title.mutable_fields())["title"].set_string_value(id);
  for (int i = 0; i < messages; ++i) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection("messages");
    item.mutable_upsert()->set_id(absl::StrCat(id, "-", i));
    auto& fields = *item.mutable_upsert()->mutable_fields()->mutable_fields();
    fields["session_id"].set_string_value(id);
    fields["text"].set_string_value(
        absl::StrCat("message ", i, " of ", id, std::string(300, 'x')));
    fields["tags"].mutable_list_value()->add_values()->set_string_value(
        absl::StrCat("t", i));
  }
  return request;
}

v1::WriteRequest DeleteOf(const std::string& id) {
  v1::WriteRequest request;
  v1::WriteItem& item = *request.add_items();
  item.set_collection("sessions");
  item.mutable_delete_()->set_id(id);
  return request;
}

class RecordFaultsTest : public ::testing::Test {
 protected:
  // What is refused on a dying disk is logged each time.
  RecordFaultsTest() { EXPECT_OK(log::SetLevel("off")); }
  ~RecordFaultsTest() override { EXPECT_OK(log::SetLevel("info")); }

  void NewFile() {
    path_ = directory_.File(absl::StrCat(++files_, ".db"));
    auto store = DirectStore::Open(path_, Clock::Real());
    ASSERT_OK(store);
    ASSERT_OK((*store)->ApplySchema({kSessions, kMessages}));
  }

  // Messages of a session that the file holds; -1 if the session is not there.
  int MessagesOf(sqlite::Connection& connection, const std::string& id) {
    const auto count = [&](const std::string& sql) {
      return static_cast<int>(connection.QueryInt(sql).value());
    };
    if (count(absl::StrCat("SELECT count(*) FROM sessions WHERE id = '", id,
                           "'")) == 0) {
      return -1;
    }
    return count(absl::StrCat(
        "SELECT count(*) FROM messages WHERE session_id = '", id, "'"));
  }

  engram::testing::TempDirectory directory_;
  engram::testing::FaultVfs disk_;
  std::mt19937_64 random_{
      static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed())};
  std::string path_;
  int files_ = 0;
};

// Writes sessions of its own, one call after another.
class SessionWriter {
 public:
  explicit SessionWriter(int number) : number_(number), random_(number) {}

  void Run(DirectStore& store) {
    while (true) {
      const bool deletes = !sessions_.empty() && random_() % 3 == 0;
      under_way_ = deletes ? sessions_.begin()->first
                           : absl::StrCat("s", number_, "-", ++made_);
      wanted_ = deletes ? -1 : static_cast<int>(random_() % 5);
      const auto written = store.Write(
          deletes ? DeleteOf(under_way_) : SessionOf(under_way_, wanted_));
      if (!written.ok()) return;
      Settle(wanted_);
    }
  }

  // What became of the write under way.
  void Settle(int messages) {
    if (messages < 0) {
      sessions_.erase(under_way_);
    } else {
      sessions_[under_way_] = messages;
    }
    under_way_.clear();
  }

  void Forget() { sessions_.clear(); }

  const std::string& under_way() const { return under_way_; }
  int wanted() const { return wanted_; }
  // By id: how many messages each has.
  const std::map<std::string, int>& sessions() const { return sessions_; }

 private:
  const int number_;
  std::mt19937_64 random_;
  int made_ = 0;
  std::map<std::string, int> sessions_;
  std::string under_way_;
  int wanted_ = 0;
};

TEST_F(RecordFaultsTest, PowerLossesLoseNoAcknowledgedWriteAndLeaveNoneHalf) {
  disk_.KeepUnsyncedApart();
  std::vector<SessionWriter> writers;
  for (int i = 0; i < kWriters; ++i) writers.emplace_back(i);
  for (int loss = 0; loss < kLosses; ++loss) {
    SCOPED_TRACE(absl::StrCat("power loss ", loss));
    if (loss % kLossesOfOneFile == 0) {
      NewFile();
      for (SessionWriter& writer : writers) writer.Forget();
    }
    disk_.LosePowerAfter(1 + static_cast<int64_t>(random_() % 150));
    auto store = DirectStore::Open(path_, Clock::Real(),
                                   {.committer = {.max_wal_bytes = 200'000}});
    ASSERT_TRUE(store.ok() || disk_.power_is_lost()) << store.status();
    std::vector<std::thread> threads;
    for (SessionWriter& writer : writers) {
      if (store.ok()) threads.emplace_back([&] { writer.Run(**store); });
    }
    for (std::thread& thread : threads) thread.join();
    store = absl::UnknownError("closed");
    disk_.RestorePower(random_);

    ASSERT_OK(DirectStore::Open(path_, Clock::Real()));
    ASSERT_OK(CheckStore(path_));
    ASSERT_OK_AND_ASSIGN(auto reader, sqlite::Connection::Open(
                                          path_, sqlite::Access::kReadOnly));
    for (SessionWriter& writer : writers) {
      for (const auto& [id, messages] : writer.sessions()) {
        if (id == writer.under_way()) continue;
        EXPECT_EQ(MessagesOf(*reader, id), messages) << id;
      }
      if (writer.under_way().empty()) continue;
      const auto before = writer.sessions().find(writer.under_way());
      const int held = MessagesOf(*reader, writer.under_way());
      EXPECT_TRUE(held == writer.wanted() ||
                  held ==
                      (before == writer.sessions().end() ? -1 : before->second))
          << "a write is half there";
      writer.Settle(held);
    }
    if (HasFailure()) return;
  }
}

TEST_F(RecordFaultsTest, ASchemaThatFindsNoRoomLeavesTheOldOneWhole) {
  constexpr int64_t kMuchRoom = 8'000'000;
  int failures = 0;
  for (int64_t room = 0; room < kMuchRoom; room += 40'000) {
    SCOPED_TRACE(absl::StrCat("room for ", room, " bytes"));
    NewFile();
    auto store = DirectStore::Open(path_, Clock::Real());
    ASSERT_OK(store);
    for (int i = 0; i < 20; ++i) {
      ASSERT_OK((*store)->Write(SessionOf(absl::StrCat("s", i), 20)));
    }
    disk_.LimitRoom(room);
    const absl::Status applied =
        (*store)->ApplySchema({kSessions, kOtherMessages});
    disk_.Heal();
    ASSERT_OK(CheckStore(path_));
    if (applied.ok()) {
      EXPECT_GT(failures, 3);
      return;
    }
    ++failures;
    EXPECT_THAT(applied, engram::testing::StatusIs(
                             absl::StatusCode::kResourceExhausted));
    // The old schema takes writes as before.
    EXPECT_OK((*store)->Write(SessionOf("later", 3)));
    ASSERT_OK_AND_ASSIGN(auto reader, sqlite::Connection::Open(
                                          path_, sqlite::Access::kReadOnly));
    EXPECT_EQ(MessagesOf(*reader, "s7"), 20);
    EXPECT_EQ(MessagesOf(*reader, "later"), 3);
    if (HasFailure()) return;
  }
  FAIL() << "never had enough room";
}

}  // namespace
}  // namespace engram::storage::testing
