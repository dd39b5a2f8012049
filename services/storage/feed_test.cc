#include "services/storage/feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/json/json.h"
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
  stars: {type: int, merge: add}
  twice: {type: int, generated: stars * 2}
)";

std::string Show(const v1::Record& record) {
  std::string json;
  engram::json::AppendJson(record.fields(), &json);
  return absl::StrCat(record.id(), "@", record.version(), " ", json);
}

// A change in one line.
std::string Show(const v1::Change& change) {
  if (change.has_record_changed()) {
    const v1::RecordChanged& changed = change.record_changed();
    return absl::StrCat(changed.has_before() ? Show(changed.before()) : "none",
                        " > ",
                        changed.has_after() ? Show(changed.after()) : "none");
  }
  if (change.has_record_deleted()) {
    const v1::RecordDeleted& deleted = change.record_deleted();
    return absl::StrCat(deleted.has_before() ? Show(deleted.before()) : "none",
                        " > deleted");
  }
  if (change.has_vectors_stored()) return "vectors";
  return "collection";
}

class FeedTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(db_.Apply({kNotes})); }

  void Upsert(const std::string& id, const std::string& fields,
              const std::string& collection = "notes") {
    ASSERT_OK(db_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                        R"(", "upsert": {"id": ")", id,
                                        R"(", "fields": )", fields, "}}")));
  }
  void Delete(const std::string& id, const std::string& options = "") {
    ASSERT_OK(db_.WriteOne(
        absl::StrCat(R"({"collection": "notes", "delete": {"id": ")", id, "\"",
                     options, "}}")));
  }

  v1::WatchChangesResponse Read(int64_t sequence, const FeedScope& scope) {
    v1::WatchChangesResponse response;
    EXPECT_OK(ReadFeed(db_.database(), sequence, scope, &response));
    return response;
  }

  // The changes after `sequence` with the records.
  std::vector<std::string> Records(int64_t sequence,
                                   const std::string& collection = "") {
    FeedScope scope = {.view = FeedScope::View::kRecord};
    if (!collection.empty()) scope.collections.insert(collection);
    std::vector<std::string> shown;
    const v1::WatchChangesResponse response = Read(sequence, scope);
    for (const v1::Change& change : response.changes()) {
      shown.push_back(Show(change));
    }
    return shown;
  }

  int64_t Images() { return db_.QueryInt("SELECT count(*) FROM _images"); }

  testing::TestDatabase db_;
  // The change that created the collection.
  const int64_t created_ = 1;
};

TEST_F(FeedTest, TellsRecordsBeforeAndAfterEachChange) {
  Upsert("a", R"({"title": "x", "stars": 1})");
  Upsert("a", R"({"stars": 2})");
  Upsert("b", R"({"title": "y"})");
  Upsert("a", R"({"title": null})");
  Delete("a");
  EXPECT_THAT(Records(created_),
              ElementsAre(R"(none > a@1 {"stars":1,"title":"x","twice":2})",
                          R"(a@1 {"stars":1,"title":"x","twice":2} > )"
                          R"(a@2 {"stars":3,"title":"x","twice":6})",
                          R"(none > b@1 {"title":"y"})",
                          R"(a@2 {"stars":3,"title":"x","twice":6} > )"
                          R"(a@3 {"stars":3,"twice":6})",
                          R"(a@3 {"stars":3,"twice":6} > deleted)"));
}

TEST_F(FeedTest, RecordsCarryTheirTimes) {
  Upsert("a", R"({"stars": 1})");
  db_.clock().Advance(absl::Seconds(5));
  Upsert("a", R"({"stars": 1})");
  const v1::WatchChangesResponse response =
      Read(created_ + 1, {.view = FeedScope::View::kRecord});
  ASSERT_EQ(response.changes_size(), 1);
  const v1::RecordChanged& changed = response.changes(0).record_changed();
  EXPECT_EQ(changed.before().create_time().seconds(),
            changed.after().create_time().seconds());
  EXPECT_EQ(changed.before().update_time().seconds() + 5,
            changed.after().update_time().seconds());
  EXPECT_EQ(response.changes(0).commit_time().seconds(),
            changed.after().update_time().seconds());
}

TEST_F(FeedTest, ARecordCreatedAgainHasNothingBefore) {
  Upsert("a", R"({"title": "x"})");
  Delete("a");
  Upsert("a", R"({"title": "y"})");
  Upsert("a", R"({"title": "z"})");
  EXPECT_THAT(Records(created_),
              ElementsAre(R"(none > a@1 {"title":"x"})",
                          R"(a@1 {"title":"x"} > deleted)",
                          R"(none > a@1 {"title":"y"})",
                          R"(a@1 {"title":"y"} > a@2 {"title":"z"})"));
}

TEST_F(FeedTest, InsertsAndTouchesKeepNoImage) {
  ASSERT_OK(db_.Apply({R"(
collection: notes
fields:
  title: {type: string}
  stars: {type: int, merge: add}
  twice: {type: int, generated: stars * 2}
  reads: {type: int, default: 0}
touch: {on: get, set: {reads: "+1"}}
)"}));
  Upsert("a", R"({"title": "x"})");
  EXPECT_EQ(Images(), 0);
  db_.database().Touch(db_.database().catalog().Find("notes")->id, 1);
  db_.clock().Advance(absl::Seconds(2));
  db_.database().FlushTouches();
  ASSERT_OK(db_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  EXPECT_EQ(db_.QueryInt("SELECT reads FROM notes"), 1);
  EXPECT_EQ(Images(), 0);
  // Nothing changes.
  Upsert("a", R"({"title": "x"})");
  EXPECT_EQ(Images(), 0);
}

TEST_F(FeedTest, WhatIsPurgedLeavesNothing) {
  Upsert("a", R"({"title": "secret"})");
  Delete("a");
  Upsert("a", R"({"title": "secret, too"})");
  Upsert("a", R"({"title": "open"})");
  Upsert("b", R"({"title": "b"})");
  Upsert("b", R"({"title": "c"})");
  Delete("a", R"(, "purge": true)");
  EXPECT_THAT(Records(created_),
              ElementsAre("none > none", "none > deleted", "none > none",
                          "none > none", R"(none > b@1 {"title":"b"})",
                          R"(b@1 {"title":"b"} > b@2 {"title":"c"})",
                          "none > deleted"));
  EXPECT_EQ(Images(), 1);
}

TEST_F(FeedTest, WhatExpiredLeavesNothing) {
  ASSERT_OK(db_.Apply({R"(
collection: sessions
fields:
  user: {type: string}
expire: {after: 1m}
)"}));
  const int64_t sequence = db_.newest_sequence();
  Upsert("s", R"({"user": "u"})", "sessions");
  Upsert("s", R"({"user": "v"})", "sessions");
  EXPECT_EQ(Images(), 1);
  db_.clock().Advance(absl::Minutes(2));
  ASSERT_OK(db_.SweepAll());
  EXPECT_EQ(Images(), 0);
  EXPECT_THAT(Records(sequence),
              ElementsAre("none > none", "none > none", "none > deleted"));
}

TEST_F(FeedTest, ARestoredRecordComesLikeANewOne) {
  ASSERT_OK(db_.Apply({R"(
collection: drafts
fields:
  text: {type: string}
soft_delete: true
)"}));
  const int64_t sequence = db_.newest_sequence();
  Upsert("d", R"({"text": "x"})", "drafts");
  ASSERT_OK(db_.WriteOne(R"({"collection": "drafts", "delete": {"id": "d"}})"));
  ASSERT_OK(
      db_.WriteOne(R"({"collection": "drafts", "restore": {"id": "d"}})"));
  Upsert("d", R"({"text": "y"})", "drafts");
  EXPECT_THAT(
      Records(sequence),
      ElementsAre(R"(none > d@1 {"text":"x"})", R"(d@1 {"text":"x"} > deleted)",
                  R"(none > d@2 {"text":"x"})",
                  R"(d@2 {"text":"x"} > d@3 {"text":"y"})"));
  // For good: also what was kept while it was hidden.
  ASSERT_OK(db_.WriteOne(R"({"collection": "drafts", "delete": {"id": "d"}})"));
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "drafts", "delete": {"id": "d", "purge": true}})"));
  EXPECT_EQ(Images(), 0);
}

TEST_F(FeedTest, ImagesFollowTheSchema) {
  Upsert("a", R"({"title": "x", "stars": 1})");
  Upsert("a", R"({"title": "y", "stars": 1})");
  ASSERT_OK(db_.Apply({R"(
collection: notes
fields:
  headline: {type: string, renamed_from: title}
  stars: {type: string}
)"}));
  const std::vector<std::string> records = Records(created_);
  ASSERT_EQ(records.size(), 3);
  // Nobody knows what the number would have been as a string.
  EXPECT_EQ(records[1], R"(a@1 {"headline":"x"} > )"
                        R"(a@2 {"headline":"y","stars":"2"})");
}

TEST_F(FeedTest, TypedRecordsAreTheCollectionsMessages) {
  Upsert("a", R"({"stars": 5})");
  Upsert("a", R"({"stars": 1})");
  const v1::WatchChangesResponse response =
      Read(created_ + 1,
           {.view = FeedScope::View::kRecord, .body = FeedScope::Body::kTyped});
  const v1::RecordChanged& changed = response.changes(0).record_changed();
  // Fields 2 and 3, varints.
  EXPECT_EQ(changed.before().typed(), "\x10\x05\x18\x0a");
  EXPECT_EQ(changed.after().typed(), "\x10\x06\x18\x0c");
  EXPECT_EQ(changed.before().id(), "a");
}

TEST_F(FeedTest, FilesFromBeforeHaveNoImages) {
  Upsert("a", R"({"title": "x"})");
  Upsert("a", R"({"title": "y"})");
  Upsert("a", R"({"title": "z"})");
  // As an older version leaves it, and a change of this one after it.
  ASSERT_OK(db_.Run([](WriteTransaction& transaction) {
    return transaction.connection().Execute("DELETE FROM _images");
  }));
  Upsert("a", R"({"title": "!"})");
  EXPECT_THAT(
      Records(created_),
      ElementsAre("none > none", "none > none", R"(none > a@3 {"title":"z"})",
                  R"(a@3 {"title":"z"} > a@4 {"title":"!"})"));
}

TEST_F(FeedTest, ACollectionIsFilteredByItsNameAtTheChange) {
  Upsert("a", R"({"title": "x"})");
  ASSERT_OK(
      db_.Apply({R"(
collection: memos
renamed_from: notes
fields:
  title: {type: string}
)",
                 "{collection: other, fields: {title: {type: string}}}"}));
  Upsert("b", R"({"title": "y"})", "memos");
  Upsert("o", R"({"title": "z"})", "other");
  EXPECT_THAT(
      Records(0, "notes"),
      ElementsAre("collection", R"(none > a@1 {"title":"x"})", "collection"));
  EXPECT_THAT(Records(0, "memos"),
              ElementsAre("collection", R"(none > b@1 {"title":"y"})"));
  EXPECT_THAT(Records(0, "other"),
              ElementsAre("collection", R"(none > o@1 {"title":"z"})"));
  EXPECT_THAT(Records(0, "nothing"), IsEmpty());
}

TEST_F(FeedTest, APositionCountsWhatWasLeftOut) {
  Upsert("a", R"({"title": "x"})");
  FeedScope scope;
  scope.collections.insert("nothing");
  const v1::WatchChangesResponse response = Read(0, scope);
  EXPECT_EQ(response.changes_size(), 0);
  EXPECT_EQ(response.position(), response.newest_position());
  EXPECT_EQ(response.position(), db_.database().NewestPosition().ToString());
}

TEST_F(FeedTest, TheIndexViewHasNoRecords) {
  Upsert("a", R"({"title": "x"})");
  Upsert("a", R"({"title": "y"})");
  EXPECT_EQ(Show(Read(created_ + 1, {}).changes(0)), "none > none");
}

TEST_F(FeedTest, LongHistoriesAreReadInParts) {
  for (int part = 0; part < 5; ++part) {
    std::vector<std::string> items;
    for (int i = 0; i < 5000; ++i) {
      items.push_back(R"({"collection": "notes", "create": {}})");
    }
    ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  }
  FeedScope scope;
  scope.collections.insert("nothing");
  v1::WatchChangesResponse response;
  ASSERT_OK_AND_ASSIGN(FeedProgress progress,
                       ReadFeed(db_.database(), 0, scope, &response));
  EXPECT_EQ(progress.sequence, kMostChanges);
  EXPECT_FALSE(progress.has_caught_up);
  ASSERT_OK_AND_ASSIGN(
      progress, ReadFeed(db_.database(), progress.sequence, scope, &response));
  EXPECT_EQ(progress.sequence, 25'001);
  EXPECT_TRUE(progress.has_caught_up);
}

TEST_F(FeedTest, APrunedPositionNamesTheOldest) {
  Upsert("a", R"({"title": "x"})");
  Upsert("b", R"({"title": "x"})");
  ASSERT_OK(db_.Run([](WriteTransaction& transaction) {
    return RemoveChanges(transaction.connection(), 2);
  }));
  const Database& database = db_.database();
  const std::string oldest = database.PositionAt(3).ToString();
  v1::WatchChangesResponse response;
  for (const absl::Status& status :
       {CheckFollower(db_.database(), database.PositionAt(1), 0),
        ReadFeed(db_.database(), 1, {}, &response).status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange, oldest));
    EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_POSITION_PRUNED);
  }
  EXPECT_OK(CheckFollower(db_.database(), database.PositionAt(3), 0));
}

}  // namespace
}  // namespace engram::storage
