#include "services/storage/snapshot_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/change_retention.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string}
vectors:
  text: {source: [title], model: test}
  mine: {supplied: true, dimensions: 2, metric: dot}
)";
constexpr char kPlain[] =
    "{collection: plain, fields: {x: {type: string}}, expire: {after: 1h}}";

class SnapshotReaderTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(db_.Apply({kNotes, kPlain})); }

  void Create(const std::string& collection, int count,
              const std::string& fields = "{}") {
    std::vector<std::string> items;
    for (int i = 0; i < count; ++i) {
      items.push_back(absl::StrCat(R"({"collection": ")", collection,
                                   R"(", "create": {"id": "r)", ++records_,
                                   R"(", "fields": )", fields, "}}"));
    }
    ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  }

  // Records whose messages are many.
  void CreateMany(int count = 1000) {
    Create("plain", count,
           absl::StrCat(R"({"x": ")", std::string(4000, 'x'), "\"}"));
  }

  static std::vector<v1::StreamSnapshotResponse> ReadAll(
      SnapshotReader reader) {
    std::vector<v1::StreamSnapshotResponse> messages;
    while (true) {
      v1::StreamSnapshotResponse message;
      const auto has_more = reader.Next(&message);
      EXPECT_OK(has_more);
      if (!has_more.ok() || !*has_more) return messages;
      messages.push_back(std::move(message));
    }
  }
  SnapshotReader Reader(FeedScope scope = {}, const std::string& token = "") {
    if (token.empty()) return SnapshotReader(&db_.database(), scope);
    auto decoded = SnapshotToken::Decode(token);
    EXPECT_OK(decoded);
    return SnapshotReader(&db_.database(), scope, *decoded);
  }
  static absl::Status Begin(SnapshotReader reader) {
    v1::StreamSnapshotResponse message;
    return reader.Next(&message).status();
  }
  static std::vector<std::string> Ids(
      const std::vector<v1::StreamSnapshotResponse>& messages) {
    std::vector<std::string> ids;
    for (const auto& message : messages) {
      const auto& of_message = message.records().ids();
      ids.insert(ids.end(), of_message.begin(), of_message.end());
    }
    return ids;
  }
  static FeedScope Records() { return {.view = FeedScope::View::kRecord}; }

  testing::TestDatabase db_;
  int records_ = 0;
};

TEST_F(SnapshotReaderTest, ReadsVectorsBesideTheirRecords) {
  ASSERT_OK(db_.Write(R"([
    {"collection": "notes", "create": {"id": "none"}},
    {"collection": "notes", "create": {"id": "waits",
        "fields": {"title": "x"}}},
    {"collection": "notes", "create": {"id": "two", "vectors": [
        {"vectorField": "mine", "chunks": [{"values": "AACAPwAAAAA="},
                                           {"values": "AAAAAAAAgD8="}]}]}},
    {"collection": "notes", "create": {"id": "both",
        "fields": {"title": "y"}, "vectors": [
        {"vectorField": "mine", "chunks": [{"values": "AACAPwAAAAA="}]}]}},
    {"collection": "notes", "create": {"id": "last"}}])"));
  const auto messages = ReadAll(Reader());
  ASSERT_EQ(messages.size(), 3);
  const v1::SnapshotRecords& part = messages[1].records();
  EXPECT_THAT(part.ids(), ElementsAre("none", "waits", "two", "both", "last"));
  EXPECT_THAT(part.rows(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(part.attributes(), IsEmpty());
  ASSERT_EQ(part.vectors_size(), 1);
  const v1::StoredVectors& stored = part.vectors(0);
  EXPECT_EQ(stored.generation(), 1);
  EXPECT_THAT(stored.records(), ElementsAre(2, 3));
  // To store them is a change of its own, the next.
  EXPECT_THAT(stored.sequences(),
              ElementsAre(part.sequences(2) + 1, part.sequences(3) + 1));
  EXPECT_THAT(stored.chunks(), ElementsAre(2, 1));
  EXPECT_THAT(stored.ranges(), IsEmpty());
  // 1 0, 0 1, 1 0.
  EXPECT_EQ(absl::Base64Escape(stored.values()),
            "AACAPwAAAAAAAAAAAACAPwAAgD8AAAAA");
  std::vector<int> waiting;
  for (const v1::PendingVector& pending : part.pending()) {
    waiting.push_back(pending.record());
    EXPECT_EQ(pending.generation(), 2);
    EXPECT_EQ(pending.sequence(), part.sequences(pending.record()));
  }
  EXPECT_THAT(waiting, ElementsAre(1, 3));
}

TEST_F(SnapshotReaderTest, VectorsOfHiddenRecordsAreLeftOut) {
  ASSERT_OK(db_.Apply({R"(
collection: kept
fields:
  title: {type: string}
vectors:
  mine: {supplied: true, dimensions: 2, metric: dot}
soft_delete: true
)"}));
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_OK(db_.WriteOne(
        absl::StrCat(R"({"collection": "kept", "create": {"id": ")", id,
                     R"(", "vectors": [{"vectorField": "mine", "chunks":
            [{"values": "AACAPwAAAAA="}]}]}})")));
  }
  ASSERT_OK(db_.WriteOne(R"({"collection": "kept", "delete": {"id": "b"}})"));
  const auto messages = ReadAll(Reader());
  ASSERT_EQ(messages.size(), 3);
  const v1::SnapshotRecords& part = messages[1].records();
  EXPECT_THAT(part.ids(), ElementsAre("a", "c"));
  ASSERT_EQ(part.vectors_size(), 1);
  EXPECT_THAT(part.vectors(0).records(), ElementsAre(0, 1));
  // Each has one.
  EXPECT_THAT(part.vectors(0).chunks(), IsEmpty());
  EXPECT_EQ(part.vectors(0).values().size(), 16);
}

TEST_F(SnapshotReaderTest, TheRecordViewHasFieldsAndNoVectors) {
  Create("notes", 1, R"({"title": "x"})");
  Create("plain", 1);
  const auto messages = ReadAll(Reader(Records()));
  ASSERT_EQ(messages.size(), 4);
  EXPECT_EQ(messages[1].records().collection(), "notes");
  const v1::SnapshotRecords& notes = messages[1].records();
  ASSERT_EQ(notes.records_size(), 1);
  const v1::Record& note = notes.records(0);
  EXPECT_EQ(note.fields().fields().at("title").string_value(), "x");
  EXPECT_EQ(note.id(), notes.ids(0));
  EXPECT_EQ(note.version(), 1);
  EXPECT_THAT(notes.pending(), IsEmpty());
  EXPECT_THAT(notes.vectors(), IsEmpty());
  EXPECT_THAT(notes.expiries(), IsEmpty());
  EXPECT_EQ(messages[2].records().collection(), "plain");
  const v1::SnapshotRecords& plain = messages[2].records();
  ASSERT_EQ(plain.expiries_size(), 1);
  EXPECT_EQ(plain.expiries(0).record(), 0);
  EXPECT_EQ(plain.expiries(0).expire_time().seconds(),
            plain.records(0).expire_time().seconds());
}

TEST_F(SnapshotReaderTest, WhatHasExpiredIsNoRecord) {
  Create("plain", 2);
  db_.clock().Advance(absl::Hours(2));
  Create("plain", 1);
  EXPECT_THAT(Ids(ReadAll(Reader(Records()))), ElementsAre("r3"));
}

TEST_F(SnapshotReaderTest, OnlyTheCollectionsAskedFor) {
  Create("notes", 2);
  Create("plain", 3);
  FeedScope scope;
  scope.collections = {"notes"};
  const auto messages = ReadAll(Reader(scope));
  EXPECT_THAT(Ids(messages), ElementsAre("r1", "r2"));
  EXPECT_EQ(messages[0].start().records(), 2);
  ASSERT_EQ(messages[0].start().collections_size(), 1);
  scope.collections = {"notes", "nothing"};
  EXPECT_THAT(Begin(Reader(scope)),
              StatusIs(absl::StatusCode::kNotFound, "nothing"));
}

TEST_F(SnapshotReaderTest, AnotherStreamGoesOnAfterAnyMessage) {
  Create("notes", 3);
  CreateMany();
  const auto whole = ReadAll(Reader(Records()));
  ASSERT_GT(whole.size(), 5);
  for (size_t broken = 1; broken + 1 < whole.size(); ++broken) {
    std::vector<v1::StreamSnapshotResponse> parts(whole.begin(),
                                                  whole.begin() + broken + 1);
    const auto rest =
        ReadAll(Reader(Records(), whole[broken].records().resume_token()));
    EXPECT_EQ(rest[0].start().position(), whole[0].start().position());
    EXPECT_EQ(rest[0].start().checksum(), whole[0].start().checksum());
    parts.insert(parts.end(), rest.begin() + 1, rest.end());
    EXPECT_EQ(Ids(parts), Ids(whole));
    EXPECT_TRUE(parts.back().has_end());
  }
}

TEST_F(SnapshotReaderTest, AResumedStreamTellsTheFirstOnesStart) {
  CreateMany();
  const auto whole = ReadAll(Reader(Records()));
  Create("plain", 1);
  const auto rest =
      ReadAll(Reader(Records(), whole[1].records().resume_token()));
  EXPECT_EQ(rest[0].start().position(), whole[0].start().position());
  EXPECT_EQ(rest.back().end().position(),
            db_.database().NewestPosition().ToString());
}

TEST_F(SnapshotReaderTest, ATokenIsForTheSameQuestion) {
  CreateMany();
  const std::string token =
      ReadAll(Reader(Records()))[1].records().resume_token();
  FeedScope fewer = Records();
  fewer.collections = {"plain"};
  FeedScope typed = Records();
  typed.body = FeedScope::Body::kTyped;
  for (const FeedScope& scope : {FeedScope{}, fewer, typed}) {
    EXPECT_THAT(Begin(Reader(scope, token)),
                StatusIs(absl::StatusCode::kInvalidArgument, "resume_token"));
  }
}

TEST_F(SnapshotReaderTest, ATokenThatNobodyGaveIsRefused) {
  for (const std::string& text :
       {std::string("x"), std::string("!!"), absl::WebSafeBase64Escape("a b"),
        absl::WebSafeBase64Escape("snapshot1 default@00000000000000ab.1 1 1 1 "
                                  "1 x"),
        absl::WebSafeBase64Escape("snapshot9 default@00000000000000ab.1 1 1 1 "
                                  "1 1")}) {
    EXPECT_THAT(SnapshotToken::Decode(text),
                StatusIs(absl::StatusCode::kInvalidArgument, "resume_token"))
        << text;
  }
}

TEST_F(SnapshotReaderTest, NoSnapshotGoesOnOverAnotherSchema) {
  CreateMany();
  const std::string token =
      ReadAll(Reader(Records()))[1].records().resume_token();
  ASSERT_OK(db_.Apply({"{collection: other, fields: {x: {type: int}}}"}));
  const absl::Status status = Begin(Reader(Records(), token));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_SCHEMA_CHANGED);
}

TEST_F(SnapshotReaderTest, NoSnapshotGoesOnWithoutTheChangesSince) {
  CreateMany();
  const std::string token =
      ReadAll(Reader(Records()))[1].records().resume_token();
  Create("plain", 5);
  ASSERT_OK(db_.Run([&](WriteTransaction& transaction) {
    return RemoveChanges(transaction.connection(),
                         transaction.log().head().sequence - 1);
  }));
  const absl::Status status = Begin(Reader(Records(), token));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_POSITION_PRUNED);
}

// Between two messages nothing keeps the write-ahead log from being emptied.
TEST_F(SnapshotReaderTest, HoldsNoTransactionBetweenMessages) {
  CreateMany();
  ASSERT_OK_AND_ASSIGN(
      const auto other,
      sqlite::Connection::Open(
          db_.QueryText("SELECT file FROM pragma_database_list"),
          sqlite::Access::kReadWrite));
  SnapshotReader reader = Reader();
  v1::StreamSnapshotResponse message;
  int messages = 0;
  while (true) {
    message.Clear();
    ASSERT_OK_AND_ASSIGN(const bool has_more, reader.Next(&message));
    if (!has_more) break;
    ++messages;
    Create("plain", 1);
    EXPECT_OK(other->CheckpointTruncate());
  }
  EXPECT_GT(messages, 1);
}

}  // namespace
}  // namespace engram::storage
