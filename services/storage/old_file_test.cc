// Files that older versions left, opened by this one and used.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/feed.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::testing::ElementsAre;

class OldFileTest : public ::testing::TestWithParam<const char*> {
 protected:
  static std::string Read(const char* name) {
    std::ostringstream text;
    text << std::ifstream(absl::StrCat(ENGRAM_DUMPS, name)).rdbuf();
    return text.str();
  }

  std::string Fields(const std::string& collection, const std::string& id) {
    const auto fields = db_.Fields(collection, id);
    return fields.ok() ? *fields : fields.status().ToString();
  }

  testing::TestDatabase db_{{}, Read(GetParam())};
};

TEST_P(OldFileTest, ItsRecordsAreReadAndWritten) {
  EXPECT_EQ(Fields("notes", "a"),
            R"({"kind":"note","score":0.5,"size":5,"tags":["x","y"],)"
            R"("title":"first"})");
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "notes", "upsert": {"fields": {"title": "first",
          "size": 6}}})"));
  ASSERT_OK_AND_ASSIGN(const v1::Record changed, db_.Get("notes", "a"));
  EXPECT_EQ(changed.version(), 3);
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "notes", "create": {"id": "c",
          "fields": {"title": "third"}}})"));
  // The row of the record that was deleted is not used again.
  EXPECT_EQ(db_.QueryInt("SELECT _row FROM notes WHERE id = 'c'"), 4);
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "b"}})"));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 1);
}

TEST_P(OldFileTest, ItsFollowersGoOn) {
  Database& database = db_.database();
  const Position old{"default", database.epoch(), 9};
  EXPECT_EQ(database.epoch(), 171);
  EXPECT_OK(CheckFollower(database, old,
                          static_cast<uint64_t>(-7964210647416300337)));
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "b"}})"));
  v1::WatchChangesResponse feed;
  ASSERT_OK(ReadFeed(database, 0, &feed));
  ASSERT_EQ(feed.changes_size(), 10);
  EXPECT_EQ(feed.changes(0).collection_created().name(), "notes");
  EXPECT_EQ(feed.changes(3).vectors_stored().chunks_size(), 1);
  EXPECT_EQ(feed.changes(9).record_deleted().id(), "b");
}

TEST_P(OldFileTest, ItsSchemaHasAHistoryAndCanChange) {
  const auto numbers = [this](const char* name) {
    return db_.database().catalog().Find(name)->typed.numbers;
  };
  EXPECT_THAT(numbers("notes"), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(db_.database().catalog().schema_version(), 1);
  ASSERT_OK(db_.Apply({R"(
collection: notes
fields:
  headline: {type: string, unique: true, renamed_from: title}
  kind: {type: string, index: true, default: note}
  size: {type: string}
  tags: {type: strings, index: true}
vectors:
  text: {source: [headline, kind], model: test, metric: dot}
soft_delete: true
)",
                       "{collection: child, fields: {note: {type: "
                       "ref(notes)}}}"}));
  EXPECT_EQ(Fields("notes", "a"),
            R"({"headline":"first","kind":"note","size":"5",)"
            R"("tags":["x","y"]})");
  // Vectors that exist stay, and so does what waits.
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _vectors_1"), 1);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 1);
  EXPECT_THAT(numbers("notes"), ElementsAre(1, 2, 6, 5));
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "child", "create": {"fields": {"note": "a"}}})"));
  db_.Reopen();
  EXPECT_EQ(Fields("plain", "p"), R"({"f":7})");
  EXPECT_EQ(db_.database().catalog().schema_version(), 2);
}

INSTANTIATE_TEST_SUITE_P(Dumps, OldFileTest,
                         ::testing::Values("database_v0001_records.sql"));

}  // namespace
}  // namespace engram::storage
