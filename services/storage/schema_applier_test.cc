#include "services/storage/schema_applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/fault_vfs.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/collection_table.h"
#include "services/storage/feed.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct ApplyOptions {
  bool prune = false;
  bool allow_destructive = true;
  std::string plan_hash;
  int64_t version = 0;
  std::function<absl::Status(int)> before_step;
};

// The whole content of a file, as text.
std::string Dump(sqlite::Connection& connection) {
  auto schema = connection.Prepare(
      "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY name");
  EXPECT_OK(schema);
  std::string dump;
  std::vector<std::string> tables;
  while (*schema->Step()) {
    absl::StrAppend(&dump, schema->Text(0), " ", schema->Text(1), " ",
                    schema->Text(2), "\n");
    if (schema->Text(0) == "table") {
      tables.push_back(std::string(schema->Text(1)));
    }
  }
  for (const std::string& table : tables) {
    auto rows = connection.Prepare(
        absl::StrCat("SELECT * FROM ", QuoteIdentifier(table)));
    EXPECT_OK(rows);
    while (*rows->Step()) {
      absl::StrAppend(&dump, table);
      for (int i = 0; i < rows->column_count(); ++i) {
        absl::StrAppend(&dump, " ", rows->ColumnType(i), ":",
                        absl::CHexEscape(rows->Blob(i)));
      }
      absl::StrAppend(&dump, "\n");
    }
  }
  return dump;
}

class SchemaApplierTest : public ::testing::Test {
 protected:
  absl::StatusOr<SchemaRequest> Request(
      const std::vector<std::string>& documents, const ApplyOptions& options) {
    v1::SchemaTarget target;
    for (const std::string& document : documents) {
      target.add_documents()->set_yaml(document);
    }
    target.set_prune(options.prune);
    target.set_version(options.version);
    auto request = DecodeSchema(target, {});
    if (!request.ok()) return request;
    common::v1::Model& model = request->models.emplace_back();
    model.set_name("test");
    model.set_fingerprint("test");
    model.set_dimensions(2);
    model.set_is_default(true);
    request->plan_hash = options.plan_hash;
    request->allow_destructive = options.allow_destructive;
    request->before_step = options.before_step;
    return request;
  }

  absl::StatusOr<AppliedSchema> Apply(const std::vector<std::string>& documents,
                                      const ApplyOptions& options = {}) {
    auto request = Request(documents, options);
    if (!request.ok()) return request.status();
    absl::StatusOr<AppliedSchema> result;
    absl::Notification done;
    ApplySchema(db_.database(), *std::move(request), absl::InfiniteFuture(),
                [&](absl::StatusOr<AppliedSchema> applied) {
                  result = std::move(applied);
                  done.Notify();
                });
    done.WaitForNotification();
    return result;
  }

  absl::StatusOr<SchemaPlan> Plan(const std::vector<std::string>& documents,
                                  const ApplyOptions& options = {}) {
    auto request = Request(documents, options);
    if (!request.ok()) return request.status();
    return PlanOf(db_.database(), *request);
  }

  void Put(const std::string& collection, const std::string& id,
           const std::string& fields) {
    EXPECT_OK(db_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                        R"(", "upsert": {"id": ")", id,
                                        R"(", "fields": )", fields, "}}")));
  }

  std::string Fields(const std::string& collection, const std::string& id) {
    const auto fields = db_.Fields(collection, id);
    return fields.ok() ? *fields : fields.status().ToString();
  }

  std::string DumpFile() {
    auto reader = db_.database().AcquireReader();
    EXPECT_OK(reader);
    return Dump(**reader);
  }

  std::vector<std::string> Backups() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(
             db_.database().backup_directory(), error)) {
      names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  testing::TestDatabase db_;
};

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

TEST_F(SchemaApplierTest, OtherVectorsTakeThePlaceOfTheOld) {
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
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 2);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM sqlite_schema "
                         "WHERE name = '_vectors_1'"),
            0);
  // The backfill holds no position back.
  SnapshotReader snapshot(&db_.database());
  ASSERT_OK(snapshot.Next());
  ASSERT_OK_AND_ASSIGN(const auto records, snapshot.Next());
  for (const auto& record : records->records().records()) {
    EXPECT_EQ(record.pending_size(), 0);
  }
  // Followers learn of it; earlier changes speak of what is gone.
  v1::WatchChangesResponse feed;
  ASSERT_OK(ReadFeed(db_.database(), written, &feed));
  ASSERT_EQ(feed.changes_size(), 1);
  const v1::CollectionChanged& changed = feed.changes(0).collection_changed();
  EXPECT_EQ(changed.collection().vector_fields(0).generation().id(), 2);
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
  ASSERT_OK(ReadFeed(db_.database(), 0, &feed));
  ASSERT_EQ(feed.changes_size(), 5);
  EXPECT_EQ(feed.changes(0).collection_created().name(), "a");
  EXPECT_EQ(feed.changes(1).record_changed().collection(), "a");
  EXPECT_EQ(feed.changes(2).collection_changed().previous_name(), "a");
  EXPECT_EQ(feed.changes(2).collection_changed().collection().name(), "b");
  EXPECT_EQ(feed.changes(3).record_changed().collection(), "b");
  EXPECT_EQ(feed.changes(4).collection_dropped().collection(), "b");
}

TEST_F(SchemaApplierTest, ASnapshotIsOfOneSchema) {
  ASSERT_OK(Apply({"{collection: a, fields: {x: {type: int}}}"}));
  Put("a", "1", "{}");
  SnapshotReader snapshot(&db_.database());
  ASSERT_OK(snapshot.Next());
  ASSERT_OK(
      Apply({"{collection: b, renamed_from: a, fields: {x: {type: "
             "int}}}"}));
  const absl::Status ended = snapshot.Next().status();
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kAborted, "take another one"));
  EXPECT_EQ(ReasonOf(ended), common::v1::ERROR_REASON_SCHEMA_CHANGED);
}

TEST_F(SchemaApplierTest, ADatabaseOfNoCollectionsKnowsItsVersion) {
  ASSERT_OK(Apply({"{collection: a, fields: {x: {type: int}}}"}));
  ASSERT_OK(Apply({}, {.prune = true}));
  EXPECT_EQ(db_.database().catalog().schema_version(), 2);
  ASSERT_OK_AND_ASSIGN(ReadView view, db_.database().BeginRead());
  EXPECT_THAT(view.Get("a").status(), StatusIs(absl::StatusCode::kNotFound));
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

// Uses every kind of step.
const std::vector<std::string> kOld = {
    R"(
collection: parents
fields: {name: {type: string}, n: {type: int}, total: {type: int}}
)",
    R"(
collection: notes
fields:
  title: {type: string, index: true}
  size: {type: string}
  gone: {type: int}
  parent: {type: string}
  tags: {type: strings}
  meta: {type: json}
  price: {type: int}
vectors: {text: {source: [title]}}
history: true
)",
    "{collection: dropped, fields: {a: {type: int, index: true}}}",
    "{collection: numbered, fields: {a: {type: int}}}",
    R"(
collection: altered
fields: {a: {type: int}, b: {type: int}, c: {type: int, generated: a + b}}
soft_delete: true
)"};
const std::vector<std::string> kNew = {
    R"(
collection: elders
renamed_from: parents
fields: {name: {type: string}, n: {type: int}, total: {type: int}}
)",
    R"(
collection: pages
renamed_from: notes
fields:
  headline: {type: string, index: true, unique: true, renamed_from: title}
  size: {type: int, min: 0}
  parent: {type: ref(elders)}
  tags: {type: strings, index: true}
  meta: {type: json}
  author: {type: string, extract: meta.author}
  price: {type: int, required: true, default: 7}
  twice: {type: int, generated: price * 2}
vectors: {text: {source: [headline], metric: dot}}
full_text: [headline]
checks: ['price > 0']
expire: {after: 90d}
soft_delete: true
rollups: {parent: parent, set: {n: count, total: sum(price)}}
)",
    "{collection: numbered, id: sequence, fields: {a: {type: int}}}",
    R"(
collection: altered
fields: {a: {type: int}, b: {type: int}, c: {type: int, generated: a - b}}
)",
    "{collection: fresh, fields: {p: {type: ref(pages)}}}"};

class EveryStepTest : public SchemaApplierTest {
 protected:
  void SetUp() override {
    ASSERT_OK(Apply(kOld));
    Put("parents", "p", R"({"name": "P"})");
    Put("notes", "a", R"({"title": "A", "size": "1", "parent": "p",
        "tags": ["x"], "meta": {"author": "Ann"}, "price": 5})");
    Put("notes", "a", R"({"price": 6})");
    Put("notes", "b", R"({"title": "B", "parent": "p"})");
    Put("dropped", "d", R"({"a": 1})");
    Put("numbered", "3", R"({"a": 1})");
    Put("altered", "x", R"({"a": 1, "b": 2})");
  }
};

TEST_F(EveryStepTest, AFailureAtAnyStepLeavesTheOldState) {
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan(kNew, {.prune = true}));
  std::set<SchemaStep::Kind> kinds;
  for (const SchemaStep& step : plan.steps) kinds.insert(step.kind);
  EXPECT_THAT(kinds, SizeIs(11)) << "a kind of step has no part in this test";
  const std::string before = DumpFile();
  // Also after the last step, and after the validation.
  const int points = static_cast<int>(plan.steps.size()) + 2;
  for (int failing = 0; failing < points; ++failing) {
    const absl::Status status =
        Apply(kNew, {.prune = true,
                     .before_step =
                         [&](int step) {
                           return step == failing ? absl::AbortedError("here")
                                                  : absl::OkStatus();
                         }})
            .status();
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kAborted, "here"));
    ASSERT_EQ(DumpFile(), before) << failing;
  }
  // Everything works as before, refs included.
  EXPECT_EQ(db_.database().catalog().schema_version(), 1);
  EXPECT_EQ(Fields("altered", "x"), R"({"a":1,"b":2,"c":3})");
  Put("notes", "e", R"({"title": "E"})");
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "e"}})"));
  // And so does the apply.
  ASSERT_OK(Apply(kNew, {.prune = true}));
  EXPECT_EQ(Fields("pages", "a"),
            R"({"author":"Ann","headline":"A","meta":{"author":"Ann"},)"
            R"("parent":"p","price":6,"size":1,"tags":["x"],"twice":12})");
  EXPECT_EQ(Fields("pages", "b"),
            R"({"headline":"B","parent":"p","price":7,"twice":14})");
  EXPECT_EQ(Fields("elders", "p"), R"({"n":2,"name":"P","total":13})");
  EXPECT_EQ(Fields("altered", "x"), R"({"a":1,"b":2,"c":-1})");
  EXPECT_THAT(Fields("dropped", "d"), HasSubstr("has no collection"));
  // Back again: what was dropped is gone, the rest is there.
  ASSERT_OK(Apply({}, {.version = 1}));
  EXPECT_EQ(Fields("notes", "a"),
            R"({"meta":{"author":"Ann"},"parent":"p","price":6,"size":"1",)"
            R"("tags":["x"],"title":"A"})");
}

TEST_F(EveryStepTest, ReadsGoOnAndSeeOneSchema) {
  // Begun before: sees the old state to its end.
  ASSERT_OK_AND_ASSIGN(ReadView early, db_.database().BeginRead());
  std::string seen;
  ASSERT_OK(Apply(kNew, {.prune = true, .before_step = [&](int) {
                           seen = Fields("altered", "x");
                           return absl::OkStatus();
                         }}));
  EXPECT_EQ(seen, R"({"a":1,"b":2,"c":3})");
  ASSERT_OK_AND_ASSIGN(const CollectionPtr notes, early.Get("notes"));
  EXPECT_EQ(notes->schema_version, 1);
  ASSERT_OK_AND_ASSIGN(auto select,
                       early.connection().Prepare(notes->select_by_id));
  select.BindText(1, "a");
  EXPECT_OK(select.Step());
  EXPECT_THAT(early.Get("pages").status(),
              StatusIs(absl::StatusCode::kNotFound, "pages"));
}

struct Disk {
  engram::testing::FaultVfs disk_;
};

// The disk is there before the database and outlives it.
class FullDiskTest : public Disk, public EveryStepTest {};

TEST_F(FullDiskTest, AFullDiskAtAnyPointLeavesTheOldState) {
  const std::string before = DumpFile();
  int refused = 0;
  for (int64_t room = 0;; room += 24 << 10) {
    disk_.LimitRoom(room);
    const absl::Status status = Apply(kNew, {.prune = true}).status();
    disk_.Heal();
    if (status.ok()) break;
    ++refused;
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    ASSERT_EQ(DumpFile(), before) << room;
    // Writes go on.
    EXPECT_OK(db_.Run([](WriteTransaction& transaction) {
      return transaction.connection().Execute(
          "UPDATE _meta SET value = value WHERE name = 'epoch'");
    }));
  }
  // In the backup, and in the transaction.
  EXPECT_GT(refused, 10);
  EXPECT_EQ(Fields("elders", "p"), R"({"n":2,"name":"P","total":13})");
}

}  // namespace
}  // namespace engram::storage
