#include "services/storage/record_attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/feed.h"
#include "services/storage/snapshot_reader.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNotes[] = R"(
collection: notes
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  tags: {type: strings, index: true}
  author: {type: string}
vectors:
  body: {source: [body], model: test}
)";

// The same without the index on `stars`, and with one on `author`.
constexpr char kOtherNotes[] = R"(
collection: notes
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int}
  tags: {type: strings, index: true}
  author: {type: string, index: true}
vectors:
  body: {source: [body], model: test}
)";

class RecordAttributesTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(db_.Apply({kNotes})); }

  void Upsert(const std::string& id, const std::string& fields) {
    ASSERT_OK(db_.WriteOne(
        absl::StrCat(R"({"collection": "notes", "upsert": {"id": ")", id,
                     R"(", "fields": )", fields, "}}")));
  }

  // The held fields in one line; `none` if there are no attributes.
  std::string Show(const v1::RecordChanged& record) {
    return record.has_attributes() ? Show(record.attributes()) : "none";
  }
  std::string Show(const v1::Attributes& attributes) {
    const CollectionPtr notes = db_.database().catalog().Find("notes");
    std::string shown;
    EXPECT_OK(schema::DecodeTyped(
        notes->spec, notes->typed, attributes.fields(),
        [&](int place, absl::StatusOr<schema::FieldValue> value) {
          ASSERT_OK(value);
          const schema::FieldSpec& field = notes->spec.fields[place];
          absl::StrAppend(&shown, shown.empty() ? "" : " ", field.name, "=",
                          schema::ShowValue(field.type, *value));
        }));
    return shown;
  }

  std::vector<v1::Change> Changes(FeedScope::View view) {
    v1::WatchChangesResponse response;
    EXPECT_OK(ReadFeed(db_.database(), 1, {.view = view}, &response));
    return {response.changes().begin(), response.changes().end()};
  }

  // Each change of a record.
  std::vector<std::string> Shown(
      FeedScope::View view = FeedScope::View::kIndex) {
    std::vector<std::string> shown;
    for (const v1::Change& change : Changes(view)) {
      if (!change.has_record_changed()) continue;
      shown.push_back(Show(change.record_changed()));
    }
    return shown;
  }

  // All of it, which is small.
  v1::SnapshotRecords Snapshot(FeedScope::View view) {
    SnapshotReader reader(&db_.database(), {.view = view});
    v1::SnapshotRecords records;
    v1::StreamSnapshotResponse message;
    while (true) {
      const absl::StatusOr<bool> read = reader.Next(&message);
      EXPECT_OK(read);
      if (!read.ok() || !*read) return records;
      records.MergeFrom(message.records());
    }
  }

  testing::TestDatabase db_;
};

TEST_F(RecordAttributesTest, ChangesTellThem) {
  Upsert("a", R"({"body": "x", "kind": "fact", "author": "ada"})");
  Upsert("b", R"({"stars": 3, "tags": ["p", "q"]})");
  EXPECT_THAT(Shown(),
              ElementsAre(R"(kind="fact")", R"(stars=3 tags="[\"p\",\"q\"]")"));
}

TEST_F(RecordAttributesTest, AChangeOfThemAwaitsNoVectors) {
  Upsert("a", R"({"body": "x", "kind": "fact"})");
  db_.clock().Advance(absl::Seconds(3));
  Upsert("a", R"({"kind": "rumour"})");
  const std::vector<v1::Change> changes = Changes(FeedScope::View::kIndex);
  ASSERT_EQ(changes.size(), 2);
  EXPECT_EQ(changes[0].record_changed().pending_generations_size(), 1);
  const v1::RecordChanged& changed = changes[1].record_changed();
  EXPECT_THAT(changed.pending_generations(), IsEmpty());
  EXPECT_THAT(changed.cleared_generations(), IsEmpty());
  EXPECT_EQ(changed.attributes().sequence(), changes[1].sequence());
  EXPECT_EQ(changed.attributes().update_time().seconds() -
                changed.attributes().create_time().seconds(),
            3);
}

// So that whoever waits for a write finds the record, by its newest attributes.
TEST_F(RecordAttributesTest, TheyAreToldAsTheyAreNow) {
  Upsert("a", R"({"kind": "fact"})");
  Upsert("a", R"({"kind": "rumour"})");
  EXPECT_THAT(Shown(), ElementsAre("kind=\"rumour\"", "kind=\"rumour\""));
  const std::vector<v1::Change> changes = Changes(FeedScope::View::kIndex);
  EXPECT_EQ(changes[0].record_changed().attributes().sequence(),
            changes[1].sequence());
}

TEST_F(RecordAttributesTest, WhatIsGoneHasNone) {
  Upsert("a", R"({"kind": "fact"})");
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "a"}})"));
  EXPECT_THAT(Shown(), ElementsAre("none"));
}

TEST_F(RecordAttributesTest, ThoseOfALaterSchemaSaySo) {
  Upsert("a", R"({"kind": "fact", "stars": 3, "author": "ada"})");
  ASSERT_OK(db_.Apply({kOtherNotes}));
  Upsert("b", R"({"kind": "fact", "stars": 3, "author": "ada"})");
  EXPECT_THAT(Shown(), ElementsAre("kind=\"fact\" author=\"ada\"",
                                   "kind=\"fact\" author=\"ada\""));
  const std::vector<v1::Change> changes = Changes(FeedScope::View::kIndex);
  EXPECT_TRUE(changes.front().record_changed().attributes().later_schema());
  EXPECT_FALSE(changes.back().record_changed().attributes().later_schema());
}

TEST_F(RecordAttributesTest, SnapshotsHoldThem) {
  Upsert("a", R"({"body": "x", "kind": "fact"})");
  const v1::SnapshotRecords records = Snapshot(FeedScope::View::kIndex);
  ASSERT_EQ(records.attributes_size(), 1);
  EXPECT_EQ(Show(records.attributes(0)), "kind=\"fact\"");
  EXPECT_TRUE(records.attributes(0).has_create_time());
  EXPECT_EQ(records.pending_size(), 1);
}

TEST_F(RecordAttributesTest, AViewHasNothingElse) {
  Upsert("a", R"({"body": "x", "kind": "fact"})");
  const v1::SnapshotRecords records = Snapshot(FeedScope::View::kAttributes);
  ASSERT_EQ(records.attributes_size(), 1);
  EXPECT_EQ(Show(records.attributes(0)), "kind=\"fact\"");
  EXPECT_EQ(records.pending_size(), 0);
  const std::vector<v1::Change> changes = Changes(FeedScope::View::kAttributes);
  ASSERT_EQ(changes.size(), 1);
  EXPECT_EQ(Show(changes[0].record_changed()), "kind=\"fact\"");
  EXPECT_EQ(changes[0].record_changed().pending_generations_size(), 0);
}

TEST_F(RecordAttributesTest, ACollectionWithoutHeldFieldsHasNone) {
  ASSERT_OK(db_.Apply({R"(
collection: notes
fields:
  body: {type: text}
  kind: {type: string}
vectors:
  body: {source: [body], model: test}
)"}));
  Upsert("a", R"({"body": "x", "kind": "fact"})");
  EXPECT_THAT(Shown(), ElementsAre("none"));
  const v1::SnapshotRecords records = Snapshot(FeedScope::View::kIndex);
  EXPECT_THAT(records.ids(), ElementsAre("a"));
  EXPECT_THAT(records.attributes(), IsEmpty());
}

// Clients take 4 MiB.
TEST_F(RecordAttributesTest, LargeOnesFillAMessage) {
  constexpr int kRecords = 300;
  const std::string kind(8000, 'k');
  for (int i = 0; i < kRecords; ++i) {
    Upsert(absl::StrCat("id", i), absl::StrCat(R"({"kind": ")", kind, "\"}"));
  }
  EXPECT_LT(Shown().size(), kRecords);
}

TEST_F(RecordAttributesTest, RecordViewsDoNotTellThem) {
  Upsert("a", R"({"kind": "fact"})");
  EXPECT_THAT(Shown(FeedScope::View::kRecord), ElementsAre("none"));
  EXPECT_THAT(Snapshot(FeedScope::View::kRecord).attributes(), IsEmpty());
}

}  // namespace
}  // namespace engram::storage
