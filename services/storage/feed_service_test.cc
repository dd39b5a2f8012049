#include "services/storage/feed_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/sqlite/connection.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/storage_server.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::FakeClock;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string}
  stars: {type: int}
vectors:
  text: {source: [title]}
)";

// Follows a database's changes, one message at a time.
class Follower {
 public:
  Follower(testing::TestStorage& storage, const std::string& position,
           uint64_t checksum = 0) {
    v1::WatchChangesRequest request;
    request.set_after_position(position);
    request.set_checksum(checksum);
    reader_ = storage.feed().WatchChanges(&context_, request);
  }
  Follower(testing::TestStorage& storage,
           const v1::WatchChangesRequest& request)
      : reader_(storage.feed().WatchChanges(&context_, request)) {}
  ~Follower() {
    context_.TryCancel();
    if (!finished_) Finish().IgnoreError();
  }

  // The next message; waits for it.
  v1::WatchChangesResponse Next() {
    v1::WatchChangesResponse response;
    EXPECT_TRUE(reader_->Read(&response));
    return response;
  }

  // Changes until there are `count`.
  std::vector<v1::Change> Read(size_t count) {
    std::vector<v1::Change> changes;
    while (changes.size() < count) {
      const v1::WatchChangesResponse response = Next();
      if (::testing::Test::HasFailure()) break;
      changes.insert(changes.end(), response.changes().begin(),
                     response.changes().end());
    }
    return changes;
  }

  // How the stream ended; reads what is left.
  absl::Status Finish() {
    v1::WatchChangesResponse response;
    while (reader_->Read(&response)) continue;
    finished_ = true;
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchChangesResponse>> reader_;
  bool finished_ = false;
};

class FeedServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
    ASSERT_OK_AND_ASSIGN(const auto applied, storage_.ApplySchema({kNotes}));
    created_position_ = applied.position();
    generation_ = applied.collections(0).vector_fields(0).generation().id();
  }

  std::string Upsert(const std::string& id, const std::string& fields) {
    const auto written = storage_.Upsert("notes", id, fields);
    EXPECT_OK(written);
    return written->position();
  }

  void Embed(const std::vector<float>& vector) {
    ASSERT_OK_AND_ASSIGN(const auto leased, storage_.Lease("two-v1"));
    for (const v1::OutboxEntry& entry : leased.entries()) {
      ASSERT_OK(storage_.Put(entry, {vector}));
    }
  }

  // The position before the first change.
  std::string Start() {
    return absl::StrCat(
        created_position_.substr(0, created_position_.rfind('.')), ".0");
  }

  std::vector<v1::StreamSnapshotResponse> Snapshot(
      const v1::StreamSnapshotRequest& request = {}) {
    grpc::ClientContext context;
    const auto reader = storage_.feed().StreamSnapshot(&context, request);
    std::vector<v1::StreamSnapshotResponse> messages;
    v1::StreamSnapshotResponse message;
    while (reader->Read(&message)) messages.push_back(message);
    EXPECT_OK(FromGrpcStatus(reader->Finish()));
    return messages;
  }

  absl::Status SnapshotError(const v1::StreamSnapshotRequest& request) {
    grpc::ClientContext context;
    const auto reader = storage_.feed().StreamSnapshot(&context, request);
    v1::StreamSnapshotResponse message;
    while (reader->Read(&message)) continue;
    return FromGrpcStatus(reader->Finish());
  }

  absl::Status Acknowledge(const std::string& follower,
                           const std::string& position) {
    grpc::ClientContext context;
    v1::AcknowledgeChangesRequest request;
    request.set_follower(follower);
    request.set_position(position);
    v1::AcknowledgeChangesResponse response;
    return FromGrpcStatus(
        storage_.feed().AcknowledgeChanges(&context, request, &response));
  }

  std::vector<v1::Follower> Followers() {
    grpc::ClientContext context;
    v1::ListFollowersResponse response;
    EXPECT_OK(
        FromGrpcStatus(storage_.feed().ListFollowers(&context, {}, &response)));
    return {response.followers().begin(), response.followers().end()};
  }

  absl::Status Remove(const std::string& follower) {
    grpc::ClientContext context;
    v1::RemoveFollowerRequest request;
    request.set_follower(follower);
    v1::RemoveFollowerResponse response;
    return FromGrpcStatus(
        storage_.feed().RemoveFollower(&context, request, &response));
  }

  FakeClock clock_;
  testing::TestStorage storage_{clock_};
  std::string created_position_;
  int64_t generation_ = 0;
};

TEST_F(FeedServiceTest, TellsTheWholeLifeOfARecord) {
  Upsert("a", R"({"title": "x"})");
  Embed({3, 4});
  Upsert("a", R"({"title": null})");
  ASSERT_OK(storage_.Delete("notes", "a"));
  Follower follower(storage_, Start());
  const std::vector<v1::Change> changes = follower.Read(5);
  ASSERT_EQ(changes.size(), 5);
  EXPECT_EQ(changes[0].collection_created().name(), "notes");
  EXPECT_EQ(changes[1].record_changed().id(), "a");
  EXPECT_THAT(changes[1].record_changed().pending_generations(),
              ElementsAre(generation_));
  EXPECT_EQ(changes[2].vectors_stored().generation(), generation_);
  EXPECT_EQ(changes[2].vectors_stored().row(),
            changes[1].record_changed().row());
  // Gone again by now.
  EXPECT_THAT(changes[2].vectors_stored().chunks(), IsEmpty());
  EXPECT_THAT(changes[3].record_changed().cleared_generations(),
              ElementsAre(generation_));
  EXPECT_EQ(changes[4].record_deleted().id(), "a");
  for (size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(changes[i].sequence(), i + 1);
  }
}

TEST_F(FeedServiceTest, CarriesVectorsOfUnitLength) {
  Upsert("a", R"({"title": "x"})");
  Embed({3, 4});
  Follower follower(storage_, created_position_);
  const std::vector<v1::Change> changes = follower.Read(2);
  ASSERT_EQ(changes[1].vectors_stored().chunks_size(), 1);
  const std::vector<float> vector =
      testing::UnpackVector(changes[1].vectors_stored().chunks(0).values());
  EXPECT_FLOAT_EQ(vector[0], 0.6f);
  EXPECT_FLOAT_EQ(vector[1], 0.8f);
}

TEST_F(FeedServiceTest, AnUnchangedTextIsNotPending) {
  Upsert("a", R"({"title": "x"})");
  Embed({1, 0});
  const std::string before = Upsert("a", R"({"stars": 1})");
  Upsert("a", R"({"title": "x", "stars": 2})");
  Follower follower(storage_, before);
  EXPECT_THAT(follower.Read(1)[0].record_changed().pending_generations(),
              IsEmpty());
}

TEST_F(FeedServiceTest, PushesChangesAsTheyAreCommitted) {
  Follower follower(storage_, created_position_);
  const v1::WatchChangesResponse first = follower.Next();
  EXPECT_EQ(first.changes_size(), 0);
  EXPECT_EQ(first.newest_position(), created_position_);
  // The clock stands still, so only the commit can bring the next message.
  const std::string position = Upsert("a", R"({"title": "x"})");
  const v1::WatchChangesResponse second = follower.Next();
  ASSERT_EQ(second.changes_size(), 1);
  EXPECT_EQ(second.changes(0).record_changed().id(), "a");
  EXPECT_EQ(second.position(), position);
}

TEST_F(FeedServiceTest, ASilentStreamGivesASignOfLife) {
  Follower follower(storage_, created_position_);
  follower.Next();
  // The stream may not wait yet, so the clock goes on until it answers.
  std::atomic<bool> answered = false;
  std::thread ticker([&] {
    while (!answered) {
      clock_.Advance(absl::Seconds(11));
      storage_.RunOnce();
    }
  });
  const v1::WatchChangesResponse response = follower.Next();
  answered = true;
  ticker.join();
  EXPECT_EQ(response.changes_size(), 0);
  EXPECT_EQ(response.position(), created_position_);
}

TEST_F(FeedServiceTest, ResumesAfterAPositionAndItsChecksum) {
  const std::string position = Upsert("a", R"({"title": "x"})");
  Upsert("b", R"({"title": "y"})");
  uint64_t checksum = 0;
  {
    Follower follower(storage_, created_position_);
    checksum = follower.Read(1)[0].checksum();
  }
  storage_.Restart();
  Follower follower(storage_, position, checksum);
  EXPECT_EQ(follower.Read(1)[0].record_changed().id(), "b");
}

TEST_F(FeedServiceTest, AnotherChecksumIsOutOfRange) {
  Follower follower(storage_, created_position_, 12345);
  const absl::Status status = follower.Finish();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_EPOCH_CHANGED);
}

TEST_F(FeedServiceTest, AnotherEpochOrAFuturePositionIsOutOfRange) {
  for (const std::string& position : {std::string("default@0000000000000001.1"),
                                      absl::StrCat(created_position_, "7")}) {
    Follower follower(storage_, position);
    const absl::Status status = follower.Finish();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange)) << position;
    EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_EPOCH_CHANGED);
  }
}

TEST_F(FeedServiceTest, BadPositionsAreRefused) {
  EXPECT_THAT(Follower(storage_, "here").Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument, "after_position"));
  EXPECT_THAT(Follower(storage_, "nowhere@0000000000000001.1").Finish(),
              StatusIs(absl::StatusCode::kNotFound, "nowhere"));
}

TEST_F(FeedServiceTest, StreamsEndWhenTheServerStops) {
  Follower follower(storage_, created_position_);
  follower.Next();
  storage_.server().Stop();
  EXPECT_THAT(follower.Finish(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(FeedServiceTest, ASnapshotHoldsRecordsVectorsAndWhatIsPending) {
  Upsert("a", R"({"title": "x"})");
  Embed({0, 2});
  const std::string newest = Upsert("b", R"({"title": "y"})");
  const std::vector<v1::StreamSnapshotResponse> messages = Snapshot();
  ASSERT_EQ(messages.size(), 3);
  EXPECT_EQ(messages[0].start().position(), newest);
  EXPECT_EQ(messages[0].start().records(), 2);
  EXPECT_EQ(messages[0].start().collections(0).name(), "notes");
  EXPECT_EQ(messages[1].records().collection(), "notes");
  const v1::SnapshotRecords& part = messages[1].records();
  EXPECT_THAT(part.ids(), ElementsAre("a", "b"));
  ASSERT_EQ(part.vectors_size(), 1);
  EXPECT_THAT(part.vectors(0).records(), ElementsAre(0));
  EXPECT_THAT(testing::UnpackVector(part.vectors(0).values()),
              ElementsAre(0, 1));
  ASSERT_EQ(part.pending_size(), 1);
  EXPECT_EQ(part.pending(0).record(), 1);
  EXPECT_EQ(part.pending(0).sequence(), part.sequences(1));
  EXPECT_EQ(messages[2].end().position(), newest);
}

TEST_F(FeedServiceTest, ASnapshotOfNothingHasAStartAndAnEnd) {
  const std::vector<v1::StreamSnapshotResponse> messages = Snapshot();
  ASSERT_EQ(messages.size(), 2);
  EXPECT_TRUE(messages[0].has_start());
  EXPECT_EQ(messages[1].end().position(), created_position_);
}

// A copy made of a snapshot and the changes after its start.
TEST_F(FeedServiceTest, ASnapshotBesideWritesBecomesExactByItsChanges) {
  for (int i = 0; i < 200; ++i) {
    Upsert(absl::StrCat("old-", i), R"({"title": "x"})");
  }
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop || i < 50; ++i) {
      Upsert(absl::StrCat("new-", i), R"({"title": "x"})");
      EXPECT_OK(storage_.Delete("notes", absl::StrCat("old-", i)));
    }
  });
  const std::vector<v1::StreamSnapshotResponse> messages = Snapshot();
  stop = true;
  writer.join();
  std::map<int64_t, std::string> copy;
  for (const auto& message : messages) {
    const v1::SnapshotRecords& part = message.records();
    for (int i = 0; i < part.rows_size(); ++i) copy[part.rows(i)] = part.ids(i);
  }
  Follower follower(storage_, messages.front().start().position(),
                    messages.front().start().checksum());
  while (true) {
    const v1::WatchChangesResponse response = follower.Next();
    for (const v1::Change& change : response.changes()) {
      if (change.has_record_changed()) {
        copy[change.record_changed().row()] = change.record_changed().id();
      }
      if (change.has_record_deleted()) {
        copy.erase(change.record_deleted().row());
      }
    }
    if (response.position() == response.newest_position()) break;
  }
  std::set<std::string> copied, stored;
  for (const auto& [row, id] : copy) copied.insert(id);
  for (const auto& message : Snapshot()) {
    const auto& ids = message.records().ids();
    stored.insert(ids.begin(), ids.end());
  }
  EXPECT_EQ(copied, stored);
}

TEST_F(FeedServiceTest, LongHistoriesComeInBoundedMessages) {
  // Long ids make a long history of few records.
  const std::string filler(500, 'i');
  v1::WriteRequest request;
  for (int i = 0; i < 3000; ++i) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection("notes");
    item.mutable_upsert()->set_id(absl::StrCat(i, "-", filler));
  }
  ASSERT_OK(storage_.Write(request));
  Follower follower(storage_, created_position_);
  size_t changes = 0;
  int messages = 0;
  for (; changes < 3000; ++messages) {
    const v1::WatchChangesResponse response = follower.Next();
    EXPECT_LT(response.ByteSizeLong(), 1 << 20);
    changes += response.changes_size();
  }
  EXPECT_GT(messages, 2);
  EXPECT_GT(Snapshot().size(), 4);
}

TEST_F(FeedServiceTest, ASnapshotsMessagesAreOfTheSizeThatIsMeant) {
  v1::WriteRequest request;
  for (int i = 0; i < 900; ++i) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection("notes");
    item.mutable_upsert()->set_id(absl::StrCat(i));
    (*item.mutable_upsert()->mutable_fields()->mutable_fields())["title"]
        .set_string_value(std::string(3000, 't'));
  }
  ASSERT_OK(storage_.Write(request));
  v1::StreamSnapshotRequest snapshot;
  snapshot.set_view(v1::FEED_VIEW_RECORD);
  size_t largest = 0;
  for (const v1::StreamSnapshotResponse& message : Snapshot(snapshot)) {
    largest = std::max(largest, message.ByteSizeLong());
  }
  // By what the first few turned out to be; those are smaller.
  EXPECT_GT(largest, 400 << 10);
  EXPECT_LT(largest, 640 << 10);
}

TEST_F(FeedServiceTest, TellsApplicationsRecordsAndNoVectors) {
  Upsert("a", R"({"title": "x"})");
  Embed({3, 4});
  Upsert("a", R"({"title": "y"})");
  v1::WatchChangesRequest request;
  request.set_after_position(created_position_);
  request.set_view(v1::FEED_VIEW_RECORD);
  Follower follower(storage_, request);
  const std::vector<v1::Change> changes = follower.Read(2);
  ASSERT_EQ(changes.size(), 2);
  EXPECT_EQ(changes[0].sequence(), 2);
  EXPECT_EQ(changes[1].sequence(), 4);
  const v1::RecordChanged& changed = changes[1].record_changed();
  const auto title = [](const v1::Record& record) {
    return record.fields().fields().at("title").string_value();
  };
  EXPECT_EQ(title(changed.before()), "x");
  EXPECT_EQ(title(changed.after()), "y");
  EXPECT_THAT(changed.pending_generations(), IsEmpty());
}

TEST_F(FeedServiceTest, WithoutAPositionItBeginsAtTheNewest) {
  const std::string newest = Upsert("a", R"({"title": "x"})");
  Follower follower(storage_, v1::WatchChangesRequest());
  EXPECT_EQ(follower.Next().position(), newest);
  Upsert("b", R"({"title": "y"})");
  EXPECT_EQ(follower.Read(1)[0].record_changed().id(), "b");
}

TEST_F(FeedServiceTest, AKnownFollowerBeginsWhereItWas) {
  const std::string position = Upsert("a", R"({"title": "x"})");
  Upsert("b", R"({"title": "y"})");
  ASSERT_OK(Acknowledge("mirror", position));
  storage_.Restart();
  v1::WatchChangesRequest request;
  request.set_follower("mirror");
  Follower follower(storage_, request);
  EXPECT_EQ(follower.Read(1)[0].record_changed().id(), "b");
  // A position that is given counts more.
  request.set_after_position(created_position_);
  Follower other(storage_, request);
  EXPECT_EQ(other.Read(1)[0].record_changed().id(), "a");
}

TEST_F(FeedServiceTest, FollowersAreListedAndRemoved) {
  const std::string first = Upsert("a", R"({"title": "x"})");
  const std::string second = Upsert("b", R"({"title": "y"})");
  ASSERT_OK(Acknowledge("slow", created_position_));
  clock_.Advance(absl::Seconds(5));
  ASSERT_OK(Acknowledge("fast", first));
  ASSERT_OK(Acknowledge("fast", second));
  std::vector<v1::Follower> followers = Followers();
  ASSERT_EQ(followers.size(), 2);
  EXPECT_EQ(followers[0].name(), "fast");
  EXPECT_EQ(followers[0].position(), second);
  EXPECT_EQ(followers[0].lag(), 0);
  EXPECT_EQ(followers[1].lag(), 2);
  EXPECT_FALSE(followers[1].pruned());
  EXPECT_EQ(followers[0].acknowledge_time().seconds(),
            followers[1].acknowledge_time().seconds() + 5);
  ASSERT_OK(Remove("slow"));
  EXPECT_EQ(Followers().size(), 1);
  const absl::Status status = Remove("slow");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "slow"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_FOLLOWER_UNKNOWN);
}

TEST_F(FeedServiceTest, BadAcknowledgementsAreRefused) {
  const auto refused = [](const char* field) {
    return StatusIs(absl::StatusCode::kInvalidArgument, field);
  };
  EXPECT_THAT(Acknowledge("", created_position_), refused("follower"));
  EXPECT_THAT(Acknowledge("No", created_position_), refused("follower"));
  EXPECT_THAT(Acknowledge("f", ""), refused("position"));
  EXPECT_THAT(Acknowledge("f", "default@0000000000000001.1"),
              refused("position: is of an epoch"));
  EXPECT_THAT(Acknowledge("f", absl::StrCat(created_position_, "7")),
              refused("newest change"));
  EXPECT_THAT(Acknowledge("f", "nowhere@0000000000000001.1"),
              StatusIs(absl::StatusCode::kNotFound, "nowhere"));
  ASSERT_OK(Acknowledge("f", created_position_));
  EXPECT_THAT(Acknowledge("f", Start()), refused("acknowledged 1"));
  EXPECT_EQ(Followers().size(), 1);
}

TEST_F(FeedServiceTest, BadRequestsAreRefused) {
  const auto refused = [](const char* field) {
    return StatusIs(absl::StatusCode::kInvalidArgument, field);
  };
  v1::WatchChangesRequest watch;
  watch.set_view(static_cast<v1::FeedView>(9));
  EXPECT_THAT(Follower(storage_, watch).Finish(), refused("view"));
  watch.set_view(v1::FEED_VIEW_INDEX);
  watch.set_typed(true);
  EXPECT_THAT(Follower(storage_, watch).Finish(), refused("typed"));
  watch.set_typed(false);
  watch.set_follower("a follower");
  EXPECT_THAT(Follower(storage_, watch).Finish(), refused("follower"));
  watch.clear_follower();
  watch.set_after_position(created_position_);
  watch.set_database("other");
  EXPECT_THAT(Follower(storage_, watch).Finish(), refused("database"));
  v1::StreamSnapshotRequest snapshot;
  snapshot.set_resume_token("x");
  EXPECT_THAT(SnapshotError(snapshot), refused("resume_token"));
  snapshot.clear_resume_token();
  snapshot.add_collections("nothing");
  EXPECT_THAT(SnapshotError(snapshot),
              StatusIs(absl::StatusCode::kNotFound, "nothing"));
}

// Followers of few collections hear where the log stands all the same.
TEST_F(FeedServiceTest, ALongRunOfOtherChangesIsToldByItsPosition) {
  v1::WatchChangesRequest request;
  request.set_after_position(Start());
  request.add_collections("others");
  Follower follower(storage_, request);
  EXPECT_EQ(follower.Next().changes_size(), 0);
  // The clock stands still, so that no sign of life is due.
  constexpr int kBatch = 10'000;
  for (int written = 0; written < 110'000; written += kBatch) {
    v1::WriteRequest write;
    for (int i = 0; i < kBatch; ++i) {
      v1::WriteItem& item = *write.add_items();
      item.set_collection("notes");
      item.mutable_create();
    }
    ASSERT_OK(storage_.Write(write));
  }
  const v1::WatchChangesResponse response = follower.Next();
  EXPECT_EQ(response.changes_size(), 0);
  EXPECT_NE(response.position(), Start());
}

TEST_F(FeedServiceTest, ABrokenSnapshotGoesOn) {
  const std::string filler(1000, 't');
  v1::WriteRequest write;
  for (int i = 0; i < 3000; ++i) {
    v1::WriteItem& item = *write.add_items();
    item.set_collection("notes");
    (*item.mutable_create()->mutable_fields()->mutable_fields())["title"]
        .set_string_value(absl::StrCat(i, filler));
  }
  ASSERT_OK(storage_.Write(write));
  v1::StreamSnapshotRequest request;
  request.set_view(v1::FEED_VIEW_RECORD);
  std::set<std::string> titles;
  const auto take = [&](const v1::StreamSnapshotResponse& message) {
    for (const auto& record : message.records().records()) {
      EXPECT_TRUE(
          titles.insert(record.fields().fields().at("title").string_value())
              .second);
    }
  };
  {
    grpc::ClientContext context;
    const auto reader = storage_.feed().StreamSnapshot(&context, request);
    v1::StreamSnapshotResponse message;
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(reader->Read(&message));
      take(message);
    }
    request.set_resume_token(message.records().resume_token());
    context.TryCancel();
    while (reader->Read(&message)) continue;
    EXPECT_FALSE(reader->Finish().ok());
  }
  for (const auto& part : Snapshot(request)) take(part);
  EXPECT_EQ(titles.size(), 3000);
}

// A reader that takes nothing keeps two messages waiting, and no transaction.
TEST_F(FeedServiceTest, AStalledSnapshotDoesNotHoldTheLog) {
  const std::string filler(100'000, 't');
  for (int part = 0; part < 20; ++part) {
    v1::WriteRequest write;
    for (int i = 0; i < 20; ++i) {
      v1::WriteItem& item = *write.add_items();
      item.set_collection("notes");
      (*item.mutable_create()->mutable_fields()->mutable_fields())["title"]
          .set_string_value(absl::StrCat(part, " ", i, filler));
    }
    ASSERT_OK(storage_.Write(write));
  }
  v1::StreamSnapshotRequest request;
  request.set_view(v1::FEED_VIEW_RECORD);
  grpc::ClientContext context;
  const auto reader = storage_.feed().StreamSnapshot(&context, request);
  v1::StreamSnapshotResponse message;
  ASSERT_TRUE(reader->Read(&message));
  Upsert("new", R"({"title": "x"})");
  const auto file = sqlite::Connection::Open(storage_.DatabaseFile(),
                                             sqlite::Access::kReadWrite);
  ASSERT_OK(file);
  // It is read on until the window is full; from then on no transaction is
  // open, so that one of the next attempts succeeds.
  absl::Status emptied = absl::UnknownError("");
  for (int attempt = 0; attempt < 1000 && !emptied.ok(); ++attempt) {
    emptied = (*file)->CheckpointTruncate();
    // Storage's own checkpoint may be at work.
    if (!emptied.ok()) absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_OK(emptied);
  int records = 0;
  while (reader->Read(&message)) records += message.records().rows_size();
  EXPECT_OK(FromGrpcStatus(reader->Finish()));
  // The new one is left to the changes.
  EXPECT_EQ(records, 400);
}

TEST_F(FeedServiceTest, MetricsTellTheLogsSizeAndTheSlowestFollower) {
  Upsert("a", R"({"title": "x"})");
  Upsert("a", R"({"title": "y"})");
  ASSERT_OK(Acknowledge("slow", created_position_));
  storage_.RunOnce();
  const auto gauge = [&](const std::string& name) {
    for (const auto& family : storage_.metrics().Collect()) {
      if (family.name == name) return family.metric[0].gauge.value;
    }
    return -1.0;
  };
  EXPECT_EQ(gauge("engram_storage_follower_lag_changes"), 2);
  EXPECT_GT(gauge("engram_storage_change_log_bytes"), 100);
}

}  // namespace
}  // namespace engram::storage
