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

// Each dump holds the same records.
struct OldFile {
  const char* file;
  // Of the newest change.
  int64_t sequence;
  // The next record of `notes` gets the one after.
  int64_t last_row;
  int64_t schema_version;
  // The number that its next new field gets.
  int next_number;
  // How many texts wait, and how many could not be embedded.
  int64_t pending = 1;
  int64_t failed = 0;
};

class OldFileTest : public ::testing::TestWithParam<OldFile> {
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

  testing::TestDatabase db_{{}, Read(GetParam().file)};
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
  EXPECT_EQ(db_.QueryInt("SELECT _row FROM notes WHERE id = 'c'"),
            GetParam().last_row + 1);
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "b"}})"));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox "
                         "WHERE generation = 1"),
            1);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _failures"), 0);
}

TEST_P(OldFileTest, ItsFollowersGoOn) {
  Database& database = db_.database();
  const int64_t sequence = GetParam().sequence;
  const int64_t checksum = db_.QueryInt(absl::StrCat(
      "SELECT checksum FROM _changes WHERE sequence = ", sequence));
  EXPECT_OK(CheckFollower(database, database.NewestPosition(),
                          static_cast<uint64_t>(checksum)));
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "b"}})"));
  v1::WatchChangesResponse feed;
  ASSERT_OK(ReadFeed(database, 0, {}, &feed));
  ASSERT_EQ(feed.changes_size(), sequence + 1);
  EXPECT_EQ(feed.changes(0).collection_created().name(), "notes");
  EXPECT_EQ(feed.changes(sequence).record_deleted().id(), "b");
}

TEST_P(OldFileTest, ItsSchemaHasAHistoryAndCanChange) {
  const auto numbers = [this](const char* name) {
    return db_.database().catalog().Find(name)->typed.numbers;
  };
  EXPECT_THAT(numbers("notes"), ElementsAre(1, 2, 3, 4, 5));
  const int64_t version = GetParam().schema_version;
  EXPECT_EQ(db_.database().catalog().schema_version(), version);
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
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), GetParam().pending);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _failures"), GetParam().failed);
  EXPECT_THAT(numbers("notes"), ElementsAre(1, 2, GetParam().next_number, 5));
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "child", "create": {"fields": {"note": "a"}}})"));
  db_.Reopen();
  EXPECT_EQ(Fields("plain", "p"), R"({"f":7})");
  EXPECT_EQ(db_.database().catalog().schema_version(), version + 1);
}

TEST_P(OldFileTest, ItsLeftoversGo) {
  for (int i = 0; i < 4; ++i) {
    db_.database().KeepGenerations();
    ASSERT_OK(db_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  }
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _dropped_generations"), 0);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM sqlite_schema "
                         "WHERE name = '_vectors_3'"),
            0);
}

INSTANTIATE_TEST_SUITE_P(
    Dumps, OldFileTest,
    ::testing::Values(OldFile{.file = "database_v0001_records.sql",
                              .sequence = 9,
                              .last_row = 3,
                              .schema_version = 1,
                              .next_number = 6},
                      OldFile{.file = "database_v0002.sql",
                              .sequence = 14,
                              .last_row = 4,
                              .schema_version = 2,
                              .next_number = 7},
                      OldFile{.file = "database_v0004.sql",
                              .sequence = 15,
                              .last_row = 4,
                              .schema_version = 2,
                              .next_number = 7},
                      OldFile{.file = "database_v0005.sql",
                              .sequence = 15,
                              .last_row = 4,
                              .schema_version = 2,
                              .next_number = 7,
                              .pending = 0,
                              .failed = 1},
                      OldFile{.file = "database_v0006.sql",
                              .sequence = 15,
                              .last_row = 4,
                              .schema_version = 2,
                              .next_number = 7,
                              .pending = 0,
                              .failed = 1}));

}  // namespace
}  // namespace engram::storage
