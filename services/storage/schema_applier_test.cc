#include "services/storage/schema_applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/feed.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_writer.h"
#include "services/storage/snapshot_reader.h"
#include "services/storage/testing/schema_applier_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SchemaApplierTest;
using ::testing::SizeIs;

TEST_F(SchemaApplierTest, RecordsKeepWhatTheSchemaKeeps) {
  ASSERT_OK(Apply({R"(
collection: notes
fields: {title: {type: string, index: true}, size: {type: int}, x: {type: int}}
)"}));
  Put("notes", "a", R"({"title": "A", "size": 1, "x": 5})");
  ASSERT_OK_AND_ASSIGN(const AppliedSchema applied, Apply({R"(
collection: pages
renamed_from: notes
fields:
  headline: {type: string, index: true, renamed_from: title}
  size: {type: int}
  kind: {type: string, required: true, default: note}
)"}));
  EXPECT_EQ(applied.version, 2);
  EXPECT_THAT(applied.collections, SizeIs(1));
  EXPECT_EQ(Fields("pages", "a"), R"({"headline":"A","kind":"note","size":1})");
  EXPECT_THAT(Fields("notes", "a"), HasSubstr("has no collection"));
  Put("pages", "b", R"({"headline": "B"})");
  EXPECT_EQ(Fields("pages", "b"), R"({"headline":"B","kind":"note"})");
  db_.Reopen();
  EXPECT_EQ(Fields("pages", "a"), R"({"headline":"A","kind":"note","size":1})");
}

TEST_F(SchemaApplierTest, ARepeatDoesNothing) {
  const std::string kDocument = "{collection: c, fields: {a: {type: int}}}";
  ASSERT_OK(Apply({kDocument}));
  const std::string before = DumpFile();
  ASSERT_OK_AND_ASSIGN(const AppliedSchema applied, Apply({kDocument}));
  EXPECT_EQ(applied.version, 0);
  EXPECT_THAT(applied.steps, IsEmpty());
  ASSERT_THAT(applied.collections, SizeIs(1));
  EXPECT_EQ(applied.collections[0]->name(), "c");
  EXPECT_EQ(DumpFile(), before);
}

TEST_F(SchemaApplierTest, AChangeOfTypeConvertsEveryValue) {
  ASSERT_OK(Apply({R"(
collection: c
fields: {n: {type: string}, d: {type: int}, t: {type: string}, j: {type: json}}
unique: [[n]]
)"}));
  Put("c", "a", R"({"n": "12", "d": 3, "t": "2024-01-02T03:04:05Z",
                    "j": ["x", "y"]})");
  Put("c", "b", R"({"n": "-4"})");
  Put("c", "gone", "{}");
  ASSERT_OK(db_.WriteOne(R"({"collection": "c", "delete": {"id": "gone"}})"));
  ASSERT_OK(Apply({R"(
collection: c
fields:
  n: {type: int}
  d: {type: double}
  t: {type: timestamp}
  j: {type: strings, index: true}
unique: [[n]]
)"}));
  EXPECT_EQ(Fields("c", "a"),
            R"({"d":3,"j":["x","y"],"n":12,"t":"2024-01-02T03:04:05Z"})");
  EXPECT_EQ(Fields("c", "b"), R"({"n":-4})");
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _elements_1_8"), 2);
  // The key still holds, and rows are not used again.
  EXPECT_FALSE(
      db_.WriteOne(R"({"collection": "c", "create": {"fields": {"n": 12}}})")
          .ok());
  Put("c", "d", R"({"n": 13})");
  EXPECT_EQ(db_.QueryInt("SELECT _row FROM c WHERE id = 'd'"), 4);
}

TEST_F(SchemaApplierTest, ValuesThatDoNotConvertAreCountedAndOneIsNamed) {
  ASSERT_OK(Apply({"{collection: c, fields: {n: {type: string}}}"}));
  Put("c", "a", R"({"n": "1"})");
  Put("c", "b", R"({"n": "many"})");
  Put("c", "d", R"({"n": "none"})");
  const std::string before = DumpFile();
  const absl::Status refused =
      Apply({"{collection: c, fields: {n: {type: int}}}"}).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                "2 records of collection \"c\" cannot take"));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                "among them \"b\": field \"n\": \"many\" is no "
                                "int"));
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_RECORDS_INVALID);
  EXPECT_EQ(DumpFile(), before);
  EXPECT_EQ(Fields("c", "b"), R"({"n":"many"})");
}

TEST_F(SchemaApplierTest, RecordsThatBreakANewRuleRefuseIt) {
  ASSERT_OK(Apply({R"(
collection: c
fields: {n: {type: int}, s: {type: string}}
)"}));
  Put("c", "a", R"({"n": 1, "s": "x"})");
  Put("c", "b", R"({"n": 9, "s": "x"})");
  Put("c", "d", R"({"n": 8})");
  const std::string before = DumpFile();
  for (const char* document : {
           "{collection: c, fields: {n: {type: int, max: 5}, s: {type: "
           "string}}}",
           "{collection: c, fields: {n: {type: int}, s: {type: string}}, "
           "checks: ['n < 5']}",
           "{collection: c, fields: {n: {type: int}, s: {type: string, "
           "unique: true}}}",
       }) {
    const absl::Status refused = Apply({document}).status();
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                  "2 records of collection"));
    EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_RECORDS_INVALID);
  }
  const absl::Status required =
      Apply({"{collection: c, fields: {n: {type: int}, s: {type: string, "
             "required: true}}}"})
          .status();
  EXPECT_THAT(required, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 "1 record of collection \"c\" cannot take"));
  EXPECT_EQ(DumpFile(), before);
}

TEST_F(SchemaApplierTest, ANewRefMustNameRecords) {
  const std::string kParents = "{collection: p, fields: {a: {type: int}}}";
  const std::string kRef = R"(
collection: c
fields: {p: {type: ref(p), on_delete: cascade}}
)";
  ASSERT_OK(Apply({kParents, "{collection: c, fields: {p: {type: string}}}"}));
  Put("p", "one", "{}");
  Put("c", "a", R"({"p": "one"})");
  Put("c", "b", R"({"p": "two"})");
  const std::string before = DumpFile();
  EXPECT_THAT(Apply({kRef}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "names no record of \"p\""));
  EXPECT_EQ(DumpFile(), before);
  Put("p", "two", "{}");
  ASSERT_OK(Apply({kRef}));
  ASSERT_OK(db_.WriteOne(R"({"collection": "p", "delete": {"id": "one"}})"));
  EXPECT_THAT(Fields("c", "a"), HasSubstr("no such record"));
  // The constraint can go again.
  ASSERT_OK(Apply({"{collection: c, fields: {p: {type: string}}}"}));
  ASSERT_OK(db_.WriteOne(R"({"collection": "p", "delete": {"id": "two"}})"));
  EXPECT_EQ(Fields("c", "b"), R"({"p":"two"})");
}

TEST_F(SchemaApplierTest, ARebuiltTableKeepsThoseThatReferToIt) {
  ASSERT_OK(Apply({"{collection: p, fields: {a: {type: string}}}",
                   "{collection: c, fields: {p: {type: ref(p)}}}"}));
  Put("p", "one", R"({"a": "1"})");
  Put("c", "a", R"({"p": "one"})");
  ASSERT_OK(Apply({"{collection: p, fields: {a: {type: int}}}"}));
  EXPECT_EQ(Fields("c", "a"), R"({"p":"one"})");
  EXPECT_EQ(Fields("p", "one"), R"({"a":1})");
  // SQLite's own keys are on again, and name the new table.
  EXPECT_FALSE(db_.Run([](WriteTransaction& transaction) {
                    return transaction.connection().Execute(
                        "UPDATE c SET p = 'nowhere'");
                  })
                   .ok());
  EXPECT_THAT(db_.QueryText("SELECT sql FROM sqlite_schema WHERE name = 'c'"),
              HasSubstr("REFERENCES \"p\""));
}

TEST_F(SchemaApplierTest, DestructiveStepsMustBeAllowed) {
  ASSERT_OK(
      Apply({"{collection: c, fields: {a: {type: int}, b: {type: "
             "int}}}"}));
  const std::string before = DumpFile();
  const std::string kLess = "{collection: c, fields: {a: {type: int}}}";
  const absl::Status refused =
      Apply({kLess}, {.allow_destructive = false}).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                "c: drop field \"b\""));
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_DESTRUCTIVE_CHANGE);
  EXPECT_EQ(DumpFile(), before);
  EXPECT_OK(Apply({kLess}));
}

TEST_F(SchemaApplierTest, APlanIsAppliedOnlyWhileItIsThePlan) {
  const std::string kMore =
      "{collection: c, fields: {a: {type: int}, b: {type: int}}}";
  ASSERT_OK(Apply({"{collection: c, fields: {a: {type: int}}}"}));
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({kMore}));
  // Records may come meanwhile, another schema may not.
  Put("c", "a", R"({"a": 1})");
  ASSERT_OK_AND_ASSIGN(const SchemaPlan same, Plan({kMore}));
  EXPECT_EQ(same.hash, plan.hash);
  ASSERT_OK(Apply({"{collection: d, fields: {a: {type: int}}}"}));
  const absl::Status refused =
      Apply({kMore}, {.plan_hash = plan.hash}).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kAborted, "plan again"));
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_SCHEMA_CHANGED);
  ASSERT_OK_AND_ASSIGN(const SchemaPlan again, Plan({kMore}));
  EXPECT_OK(Apply({kMore}, {.plan_hash = again.hash}));
}

TEST_F(SchemaApplierTest, AnOlderSchemaCanBeAppliedAgain) {
  ASSERT_OK(Apply({R"(
collection: notes
fields: {title: {type: string}, size: {type: string}}
)",
                   "{collection: tags, fields: {a: {type: int}}}"}));
  Put("notes", "a", R"({"title": "A", "size": "12"})");
  ASSERT_OK(Apply({R"(
collection: pages
renamed_from: notes
fields:
  headline: {type: string, renamed_from: title}
  size: {type: int}
  later: {type: int}
)"},
                  {.prune = true}));
  EXPECT_THAT(Fields("tags", "x"), HasSubstr("has no collection"));
  ASSERT_OK_AND_ASSIGN(const AppliedSchema back, Apply({}, {.version = 1}));
  EXPECT_EQ(back.version, 3);
  EXPECT_EQ(Fields("notes", "a"), R"({"size":"12","title":"A"})");
  EXPECT_THAT(back.created, ElementsAre("tags"));
  Put("tags", "x", R"({"a": 1})");
  EXPECT_THAT(Apply({}, {.version = 9}).status(),
              StatusIs(absl::StatusCode::kNotFound, "no migration 9"));
}

TEST_F(SchemaApplierTest, FieldNumbersAreForGood) {
  const auto numbers = [this] {
    return db_.database().catalog().Find("c")->typed.numbers;
  };
  ASSERT_OK(
      Apply({"{collection: c, fields: {a: {type: int}, b: {type: "
             "int}}}"}));
  EXPECT_THAT(numbers(), ElementsAre(1, 2));
  ASSERT_OK(
      Apply({"{collection: c, fields: {x: {type: int}, b: {type: "
             "int}}}"}));
  EXPECT_THAT(numbers(), ElementsAre(3, 2));
  ASSERT_OK(
      Apply({"{collection: c, fields: {y: {type: int, renamed_from: x}, "
             "b: {type: int}, a: {type: int}}}"}));
  EXPECT_THAT(numbers(), ElementsAre(3, 2, 4));
  EXPECT_THAT(db_.database().catalog().Find("c")->typed.dropped,
              ElementsAre(schema::DroppedField{1, "a"}));
  // An older schema's fields get what they had.
  ASSERT_OK(Apply({}, {.version = 1}));
  EXPECT_THAT(numbers(), ElementsAre(4, 2));
}

TEST_F(SchemaApplierTest, OtherVectorsAreMadeBesideTheOld) {
  const auto document = [](const char* metric) {
    return absl::StrCat(R"(
collection: notes
fields: {title: {type: text}}
vectors: {text: {source: [title], metric: )",
                        metric, "}}");
  };
  ASSERT_OK(Apply({document("dot")}));
  Put("notes", "a", R"({"title": "A"})");
  Put("notes", "b", R"({"title": "B"})");
  Put("notes", "empty", "{}");
  const int64_t written = db_.newest_sequence();
  ASSERT_OK(Apply({document("cosine")}));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox WHERE generation = 2"),
            2);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 4);
  // The backfill holds no position back.
  SnapshotReader snapshot(&db_.database(), {});
  v1::StreamSnapshotResponse start, part;
  ASSERT_OK(snapshot.Next(&start));
  ASSERT_OK(snapshot.Next(&part));
  ASSERT_EQ(part.records().rows_size(), 3);
  for (const v1::PendingVector& pending : part.records().pending()) {
    EXPECT_EQ(pending.generation(), 1);
  }
  // Followers learn of it.
  v1::WatchChangesResponse feed;
  ASSERT_OK(ReadFeed(db_.database(), written, {}, &feed));
  ASSERT_EQ(feed.changes_size(), 1);
  const v1::CollectionChanged& changed = feed.changes(0).collection_changed();
  const v1::VectorField& field = changed.collection().vector_fields(0);
  EXPECT_EQ(field.generation().id(), 1);
  ASSERT_EQ(field.other_generations_size(), 1);
  EXPECT_EQ(field.other_generations(0).id(), 2);
  EXPECT_EQ(changed.previous_name(), "notes");
}

TEST_F(SchemaApplierTest, TheFeedTellsEachNameInItsTime) {
  ASSERT_OK(Apply({"{collection: a, fields: {x: {type: int}}}"}));
  Put("a", "1", "{}");
  ASSERT_OK(
      Apply({"{collection: b, renamed_from: a, fields: {x: {type: "
             "int}}}"}));
  Put("b", "2", "{}");
  ASSERT_OK(Apply({}, {.prune = true}));
  v1::WatchChangesResponse feed;
  ASSERT_OK(ReadFeed(db_.database(), 0, {}, &feed));
  ASSERT_EQ(feed.changes_size(), 5);
  EXPECT_EQ(feed.changes(0).collection_created().name(), "a");
  EXPECT_EQ(feed.changes(1).record_changed().collection(), "a");
  EXPECT_EQ(feed.changes(2).collection_changed().previous_name(), "a");
  EXPECT_EQ(feed.changes(2).collection_changed().collection().name(), "b");
  EXPECT_EQ(feed.changes(3).record_changed().collection(), "b");
  EXPECT_EQ(feed.changes(4).collection_dropped().collection(), "b");
}

TEST_F(SchemaApplierTest, ADroppedCollectionTakesItsImagesAlong) {
  ASSERT_OK(Apply({"{collection: a, fields: {x: {type: int}}}",
                   "{collection: b, fields: {x: {type: int}}}"}));
  for (const char* collection : {"a", "b"}) {
    Put(collection, "1", R"({"x": 1})");
    Put(collection, "1", R"({"x": 2})");
  }
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _images"), 2);
  ASSERT_OK(
      Apply({"{collection: b, fields: {x: {type: int}}}"}, {.prune = true}));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _images"), 1);
}

TEST_F(SchemaApplierTest, ASnapshotIsOfOneSchema) {
  ASSERT_OK(Apply({"{collection: a, fields: {x: {type: int}}}"}));
  Put("a", "1", "{}");
  SnapshotReader snapshot(&db_.database(), {});
  v1::StreamSnapshotResponse start, part;
  ASSERT_OK(snapshot.Next(&start));
  ASSERT_OK(
      Apply({"{collection: b, renamed_from: a, fields: {x: {type: "
             "int}}}"}));
  const absl::Status ended = snapshot.Next(&part).status();
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kAborted, "take another one"));
  EXPECT_EQ(ReasonOf(ended), common::v1::ERROR_REASON_SCHEMA_CHANGED);
}

// A write waits in the queue while a schema is applied.
TEST_F(SchemaApplierTest, WritesCheckedBeforeAreCheckedAgain) {
  ASSERT_OK(
      Apply({"{collection: c, fields: {a: {type: int}, b: {type: "
             "int}}}"}));
  const auto decode = [&](const v1::WriteRequest& request) {
    return DecodeBatch("default", db_.database().catalog(), request);
  };
  const v1::WriteRequest stays = testing::RequestOf(
      R"([{"collection": "c", "upsert": {"id": "1", "fields": {"b": 2}}}])");
  const v1::WriteRequest goes = testing::RequestOf(
      R"([{"collection": "c", "upsert": {"id": "2", "fields": {"a": 1}}}])");
  ASSERT_OK_AND_ASSIGN(RecordBatch stays_batch, decode(stays));
  ASSERT_OK_AND_ASSIGN(RecordBatch goes_batch, decode(goes));
  ASSERT_OK(Apply({R"(
collection: c
fields:
  fresh: {type: string, required: true, default: x}
  b: {type: string}
)"}));
  const auto write = [&](const v1::WriteRequest& request, RecordBatch& batch) {
    v1::WriteResponse response;
    return db_.Run([&](WriteTransaction& transaction) {
      return WriteRequest(transaction, db_.database(), request, batch,
                          &response);
    });
  };
  // The type of b is another one now.
  EXPECT_THAT(write(stays, stays_batch),
              StatusIs(absl::StatusCode::kInvalidArgument, "wants a string"));
  EXPECT_THAT(write(goes, goes_batch),
              StatusIs(absl::StatusCode::kInvalidArgument, "a"));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM c"), 0);
}

TEST_F(SchemaApplierTest, ADatabaseOfNoCollectionsKnowsItsVersion) {
  ASSERT_OK(Apply({"{collection: a, fields: {x: {type: int}}}"}));
  ASSERT_OK(Apply({}, {.prune = true}));
  EXPECT_EQ(db_.database().catalog().schema_version(), 2);
  EXPECT_THAT(Fields("a", "x"), HasSubstr("has no collection"));
  db_.Reopen();
  EXPECT_EQ(db_.database().catalog().schema_version(), 2);
}

TEST_F(SchemaApplierTest, RollUpsElementsAndTextAreBuiltOfWhatIsThere) {
  ASSERT_OK(Apply({"{collection: p, fields: {n: {type: int}, t: {type: int}}}",
                   R"(
collection: c
fields: {p: {type: ref(p)}, v: {type: int}, tags: {type: strings},
         body: {type: text}}
)"}));
  Put("p", "one", "{}");
  Put("p", "two", "{}");
  Put("c", "a", R"({"p": "one", "v": 3, "tags": ["x", "y"], "body": "red"})");
  Put("c", "b", R"({"p": "one", "v": 4, "tags": ["x"], "body": "blue"})");
  Put("c", "d", R"({"p": "one", "v": 90})");
  ASSERT_OK(Apply({R"(
collection: c
fields: {p: {type: ref(p)}, v: {type: int}, tags: {type: strings, index: true},
         body: {type: text}}
full_text: [body]
rollups: {parent: p, where: 'v < 50', set: {n: count, t: sum(v)}}
)"}));
  EXPECT_EQ(Fields("p", "one"), R"({"n":2,"t":7})");
  EXPECT_EQ(Fields("p", "two"), R"({"n":0,"t":0})");
  EXPECT_EQ(
      db_.QueryInt("SELECT count(*) FROM _elements_2_3 WHERE value = 'x'"), 2);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _text_2 "
                         "WHERE _text_2 MATCH 'blue'"),
            1);
}

TEST_F(SchemaApplierTest, AComputedRollUpSetsWhenItsParentExpires) {
  ASSERT_OK(
      Apply({"{collection: p, expire: {field: until}, fields: {until: "
             "{type: timestamp}}}",
             "{collection: c, fields: {p: {type: ref(p)}, at: {type: "
             "timestamp}}}"}));
  Put("p", "one", "{}");
  Put("c", "a", R"({"p": "one", "at": "2027-01-15T09:00:00Z"})");
  ASSERT_OK(
      Apply({"{collection: c, fields: {p: {type: ref(p)}, at: {type: "
             "timestamp}}, rollups: {parent: p, set: {until: max(at)}}}"}));
  EXPECT_EQ(Fields("p", "one"), R"({"until":"2027-01-15T09:00:00Z"})");
  db_.clock().Advance(absl::Hours(2));
  EXPECT_THAT(Fields("p", "one"), HasSubstr("no such record"));
}

TEST_F(SchemaApplierTest, OtherGeneratedValuesAreRolledUpAndChecked) {
  const auto child = [](absl::string_view expression, absl::string_view more) {
    return absl::StrCat(
        "{collection: c, fields: {p: {type: ref(p)}, v: {type: "
        "int}, g: {type: int, generated: '",
        expression, "'}}, ", more, "rollups: {parent: p, set: {t: sum(g)}}}");
  };
  ASSERT_OK(
      Apply({"{collection: p, fields: {t: {type: int}}}", child("v + 1", "")}));
  Put("p", "one", "{}");
  Put("c", "a", R"({"p": "one", "v": 3})");
  EXPECT_EQ(Fields("p", "one"), R"({"t":4})");
  ASSERT_OK(Apply({child("v * 10", "")}));
  EXPECT_EQ(Fields("p", "one"), R"({"t":30})");
  ASSERT_OK(Apply({child("v * 10", "checks: ['g < 50'], ")}));
  const auto applied = Apply({child("v * 20", "checks: ['g < 50'], ")});
  EXPECT_EQ(ReasonOf(applied.status()),
            common::v1::ERROR_REASON_RECORDS_INVALID);
}

TEST_F(SchemaApplierTest, AnIndexedGeneratedFieldMayBeComputedAnew) {
  const auto schema = [](absl::string_view expression) {
    return absl::StrCat(
        "{collection: c, fields: {v: {type: int}, g: {type: "
        "int, index: true, generated: '",
        expression, "'}}}");
  };
  ASSERT_OK(Apply({schema("v + 1")}));
  Put("c", "a", R"({"v": 3})");
  ASSERT_OK(Apply({schema("v * 10")}));
  EXPECT_EQ(Fields("c", "a"), R"({"g":30,"v":3})");
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM sqlite_schema WHERE type = "
                         "'index' AND sql LIKE '%(\"g\")%'"),
            1);
}

TEST_F(SchemaApplierTest, ElementsAreOfDefaultsAndOfHiddenRecordsToo) {
  ASSERT_OK(
      Apply({"{collection: c, soft_delete: true, fields: {tags: {type: "
             "strings}}}"}));
  Put("c", "hidden", R"({"tags": ["x"]})");
  ASSERT_OK(db_.WriteOne(R"({"collection": "c", "delete": {"id": "hidden"}})"));
  Put("c", "bare", "{}");
  ASSERT_OK(
      Apply({"{collection: c, soft_delete: true, fields: {tags: {type: "
             "strings, index: true}}}"}));
  ASSERT_OK(
      db_.WriteOne(R"({"collection": "c", "restore": {"id": "hidden"}})"));
  EXPECT_EQ(db_.QueryText("SELECT group_concat(value) FROM _elements_1_1"),
            "x");
  ASSERT_OK(
      Apply({"{collection: c, soft_delete: true, fields: {tags: {type: "
             "strings, index: true, required: true, default: [y]}}}"}));
  EXPECT_EQ(db_.QueryText("SELECT group_concat(value) FROM _elements_1_1"),
            "x,y");
}

TEST_F(SchemaApplierTest, ExpiryIsSetForRecordsThatExist) {
  ASSERT_OK(Apply({"{collection: c, fields: {a: {type: int}}}"}));
  Put("c", "a", "{}");
  ASSERT_OK(
      Apply({"{collection: c, fields: {a: {type: int}}, expire: {after: "
             "10s}}"}));
  EXPECT_EQ(Fields("c", "a"), "{}");
  db_.clock().Advance(absl::Seconds(10));
  EXPECT_THAT(Fields("c", "a"), HasSubstr("no such record"));
  ASSERT_OK(Apply({"{collection: c, fields: {a: {type: int}}}"}));
  EXPECT_EQ(Fields("c", "a"), "{}");
}

TEST_F(SchemaApplierTest, KeptDeletedRecordsAreNotForgotten) {
  const std::string kPlain = "{collection: c, fields: {a: {type: int}}}";
  ASSERT_OK(
      Apply({"{collection: c, fields: {a: {type: int}}, soft_delete: true}"}));
  Put("c", "a", "{}");
  ASSERT_OK(db_.WriteOne(R"({"collection": "c", "delete": {"id": "a"}})"));
  EXPECT_THAT(
      Apply({kPlain}).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition, "deleted but kept"));
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "c", "delete": {"id": "a", "purge": true}})"));
  EXPECT_OK(Apply({kPlain}));
}

TEST_F(SchemaApplierTest, NumbersGoOnFromTheLargestId) {
  ASSERT_OK(Apply({"{collection: c, fields: {a: {type: int}}}"}));
  Put("c", "41", "{}");
  const std::string kNumbered =
      "{collection: c, id: sequence, fields: {a: {type: int}}}";
  ASSERT_OK(Apply({kNumbered}));
  ASSERT_OK_AND_ASSIGN(
      const v1::WriteResult result,
      db_.WriteOne(R"({"collection": "c", "create": {"fields": {}}})"));
  EXPECT_EQ(result.id(), "42");
}

TEST_F(SchemaApplierTest, ABackupIsTakenWhereDataIsAtStake) {
  ASSERT_OK(Apply({"{collection: c, fields: {a: {type: string}}}"}));
  Put("c", "a", R"({"a": "1"})");
  ASSERT_OK(
      Apply({"{collection: c, fields: {a: {type: string}, b: {type: "
             "int}}}"}));
  EXPECT_THAT(Backups(), IsEmpty());
  for (const char* type : {"int", "string", "int", "string", "int"}) {
    db_.clock().Advance(absl::Seconds(1));
    ASSERT_OK_AND_ASSIGN(
        const AppliedSchema applied,
        Apply({absl::StrCat("{collection: c, fields: {a: {type: ", type,
                            "}, b: {type: int}}}")}));
    EXPECT_EQ(Backups().back(), applied.backup);
  }
  ASSERT_THAT(Backups(), SizeIs(3));
  // The newest is the state before the last apply.
  ASSERT_OK_AND_ASSIGN(
      const auto copy,
      sqlite::Connection::Open(Backups().back(), sqlite::Access::kReadOnly));
  ASSERT_OK_AND_ASSIGN(auto select, copy->Prepare("SELECT a FROM c"));
  ASSERT_OK(select.Step());
  EXPECT_EQ(select.ColumnType(0), SQLITE_TEXT);
  EXPECT_EQ(select.Text(0), "1");
}

}  // namespace
}  // namespace engram::storage
