#include "services/storage/record_merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/text_format.h"
#include "libs/json/json.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/collections.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeCollections;
using ::testing::Pair;
using testing::StructOf;
using ::testing::UnorderedElementsAre;
using testing::ViolationsOf;

constexpr int64_t kCreated = 1'700'000'000'000'000;
constexpr int64_t kNow = kCreated + 60'000'000;
constexpr char kNowText[] = "2023-11-14T22:14:20Z";

// Plays writes against records as the writer does, without a database.
class RecordMergerTest : public ::testing::Test {
 protected:
  void Declare(const std::string& document) {
    collections_ = MakeCollections({document});
    catalog_.Publish(collections_);
  }

  const Collection& collection() const { return *collections_[0]; }

  // Reads an item: `action` such as `upsert`, the body as JSON, and the rest of
  // the item in text format.
  RecordItem Item(const std::string& action, const std::string& fields,
                  const std::string& rest = "") {
    v1::WriteRequest request;
    v1::WriteItem& item = *request.add_items();
    item.set_collection(collection().name());
    v1::Record* record = nullptr;
    if (action == "create") record = item.mutable_create();
    if (action == "upsert") record = item.mutable_upsert();
    if (action == "replace") record = item.mutable_replace();
    if (action == "update") record = item.mutable_update();
    record->set_id("r1");
    *record->mutable_fields() = StructOf(fields);
    v1::WriteItem more;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(rest, &more));
    item.MergeFrom(more);
    auto batch = DecodeBatch("db", catalog_, request);
    EXPECT_OK(batch.status());
    return batch.ok() ? batch->items[0] : RecordItem();
  }

  StoredRecord Make(const RecordItem& item) {
    StoredRecord record;
    record.row = 7;
    record.id = "r1";
    MakeRecord(item, kCreated, record, violations_);
    return record;
  }
  StoredRecord Made(const std::string& fields, const std::string& rest = "") {
    return Make(Item("upsert", fields, rest));
  }

  StoredRecord Change(const RecordItem& item, const StoredRecord& existing) {
    StoredRecord record;
    changed_ = ChangeRecord(item, existing, kNow, record, violations_);
    return record;
  }

  // The record's fields that have a value, as JSON.
  std::string Show(const StoredRecord& record) {
    google::protobuf::Struct fields;
    for (size_t i = 0; i < record.values.size(); ++i) {
      const schema::FieldSpec& field = collection().spec.fields[i];
      if (record.values[i].index() == 0) continue;
      EXPECT_OK(EncodeField(field, record.values[i],
                            &(*fields.mutable_fields())[field.name]));
    }
    std::string text;
    json::AppendJson(fields, &text);
    return text;
  }

  std::vector<std::pair<std::string, std::string>> violations() const {
    return ViolationsOf(violations_.ToStatus());
  }

  std::vector<CollectionPtr> collections_;
  Catalog catalog_;
  FieldViolations violations_;
  bool changed_ = false;
};

constexpr char kCounters[] = R"(
collection: counters
fields:
  title:    {type: string}
  first:    {type: string, merge: keep}
  count:    {type: int, merge: add}
  weight:   {type: double, merge: add}
  best:     {type: double, merge: max}
  cheapest: {type: int, merge: min}
  newest:   {type: timestamp, merge: max}
  log:      {type: strings, merge: append}
  tags:     {type: strings, merge: union}
  n:        {type: int, merge: add}
  average:  {type: double, merge: '(average * n + new.average * new.n) / (n + new.n)'}
)";

TEST_F(RecordMergerTest, EachFieldMergesByItsRule) {
  struct Case {
    const char* field;
    const char* held;
    const char* sent;
    const char* merged;
  };
  const Case kCases[] = {
      {"title", R"("a")", R"("b")", R"("b")"},
      {"title", R"("a")", "null", nullptr},
      {"first", R"("a")", R"("b")", R"("a")"},
      {"first", nullptr, R"("b")", R"("b")"},
      {"first", R"("a")", "null", R"("a")"},
      {"count", "2", "3", "5"},
      {"count", nullptr, "3", "3"},
      {"count", "2", "-3", "-1"},
      {"count", "2", "null", nullptr},
      {"weight", "0.5", "0.25", "0.75"},
      {"best", "0.5", "0.25", "0.5"},
      {"best", "0.5", "0.75", "0.75"},
      {"best", nullptr, "0.75", "0.75"},
      {"best", "0.5", "null", nullptr},
      {"cheapest", "5", "3", "3"},
      {"cheapest", "3", "5", "3"},
      {"cheapest", nullptr, "5", "5"},
      {"newest", R"("2026-01-01T00:00:00Z")", R"("2026-01-02T00:00:00Z")",
       R"("2026-01-02T00:00:00Z")"},
      {"newest", R"("2026-01-02T00:00:00Z")", R"("2026-01-01T00:00:00Z")",
       R"("2026-01-02T00:00:00Z")"},
      {"log", R"(["a"])", R"(["b","a"])", R"(["a","b","a"])"},
      {"log", nullptr, R"(["b"])", R"(["b"])"},
      {"log", R"(["a"])", "[]", R"(["a"])"},
      {"tags", R"(["a","b"])", R"(["b","c","c"])", R"(["a","b","c"])"},
      {"tags", nullptr, R"(["c","c"])", R"(["c"])"},
      {"tags", R"(["a"])", "null", nullptr},
  };
  Declare(kCounters);
  for (const Case& c : kCases) {
    SCOPED_TRACE(absl::StrCat(c.field, ": ", c.held == nullptr ? "-" : c.held,
                              " and ", c.sent));
    const auto object = [&](const char* value) {
      return value == nullptr ? std::string("{}")
                              : absl::StrCat("{\"", c.field, "\":", value, "}");
    };
    const StoredRecord existing = Made(object(c.held));
    const StoredRecord merged =
        Change(Item("upsert", object(c.sent)), existing);
    EXPECT_EQ(Show(merged), object(c.merged));
    EXPECT_EQ(changed_, Show(merged) != Show(existing));
    EXPECT_EQ(merged.version, changed_ ? 2 : 1);
  }
  EXPECT_THAT(violations(), IsEmpty());
}

TEST_F(RecordMergerTest, AnExpressionSeesTheRecordAsItWasAndWhatIsSent) {
  Declare(kCounters);
  const StoredRecord existing = Made(R"({"average":4,"n":3})");
  // `n` is merged too, whichever comes first.
  EXPECT_EQ(Show(Change(Item("upsert", R"({"average":8,"n":1})"), existing)),
            R"({"average":5,"n":4})");
}

TEST_F(RecordMergerTest, AnUpdateTakesWhatIsSentWhateverTheRules) {
  Declare(kCounters);
  const StoredRecord existing =
      Made(R"({"count":2,"first":"a","tags":["a"],"title":"t"})");
  EXPECT_EQ(
      Show(Change(Item("update", R"({"count":3,"first":"b","tags":["b"]})"),
                  existing)),
      R"({"count":3,"first":"b","tags":["b"],"title":"t"})");
}

TEST_F(RecordMergerTest, ASumThatOverflowsIsAViolationOfItsField) {
  Declare(kCounters);
  const StoredRecord existing =
      Made(R"({"count":"9223372036854775807","weight":1.7e308})");
  Change(Item("upsert", R"({"count":1,"weight":1.7e308})"), existing);
  EXPECT_THAT(
      violations(),
      ElementsAre(
          Pair("items[0].upsert.fields.count", HasSubstr("beyond 64 bits")),
          Pair("items[0].upsert.fields.weight", HasSubstr("without bounds"))));
}

TEST_F(RecordMergerTest, TheMaskClearsWhatTheBodyLacks) {
  Declare(kCounters);
  const StoredRecord existing = Made(R"({"count":2,"title":"t"})");
  EXPECT_EQ(
      Show(Change(Item("update", R"({"count":5})",
                       R"(update_mask { paths: "title" paths: "count" })"),
                  existing)),
      R"({"count":5})");
}

constexpr char kTasks[] = R"(
collection: tasks
fields:
  name:       {type: string, default: unnamed}
  state:      {type: string, default: open, one_of: [open, running, done]}
  tries:      {type: int, default: 0, max: 5}
  score:      {type: double}
  owner:      {type: string, immutable: true}
  created_at: {type: timestamp, default: now}
  changed_at: {type: timestamp, default: now, on_update: now}
  done_at:    {type: timestamp}
  labels:     {type: strings, max_length: 3}
  history:    {type: json}
  priority:   {type: int, generated: 'tries * 10'}
)";

TEST_F(RecordMergerTest, ANewRecordGetsDefaultsUnlessTheFieldIsSent) {
  Declare(kTasks);
  EXPECT_EQ(Show(Made(R"({"tries":2,"state":null})")),
            R"({"changed_at":"2023-11-14T22:13:20Z",)"
            R"("created_at":"2023-11-14T22:13:20Z","name":"unnamed",)"
            R"("priority":20,"tries":2})");
}

TEST_F(RecordMergerTest, ANewRecordHasItsVersionAndTimes) {
  Declare(kTasks);
  const StoredRecord record = Made("{}");
  EXPECT_EQ(record.version, 1);
  EXPECT_EQ(record.created_us, kCreated);
  EXPECT_EQ(record.updated_us, kCreated);
  EXPECT_EQ(record.expires_us, std::nullopt);
}

TEST_F(RecordMergerTest, MemoryOfAnEarlierRecordLeavesNothingBehind) {
  Declare(kTasks);
  StoredRecord record = Made(R"({"labels":["a"],"score":3,"tries":4})");
  record.deleted_us = 5;
  record.expires_us = 6;
  record.version = 9;
  MakeRecord(Item("create", "{}"), kCreated, record, violations_);
  EXPECT_EQ(Show(record), Show(Made("{}")));
  EXPECT_EQ(record.version, 1);
  EXPECT_EQ(record.deleted_us, std::nullopt);
  EXPECT_EQ(record.expires_us, std::nullopt);
}

TEST_F(RecordMergerTest, AReplaceSetsTheOthersToTheirDefaults) {
  Declare(kTasks);
  const StoredRecord existing =
      Made(R"({"name":"a","tries":3,"owner":"me","score":0.5,"labels":["x"]})");
  const StoredRecord replaced =
      Change(Item("replace", R"({"tries":1})"), existing);
  EXPECT_EQ(Show(replaced),
            absl::StrCat(R"({"changed_at":")", kNowText, R"(","created_at":")",
                         kNowText, R"(","name":"unnamed","owner":"me",)",
                         R"("priority":10,"state":"open","tries":1})"));
}

TEST_F(RecordMergerTest, ChangedAtMovesOnlyIfAnotherFieldDoes) {
  Declare(kTasks);
  const StoredRecord existing = Made(R"({"tries":3})");
  const int place = collection().spec.FieldIndex("changed_at");
  const StoredRecord same = Change(Item("upsert", R"({"tries":3})"), existing);
  EXPECT_FALSE(changed_);
  EXPECT_EQ(same.values[place], existing.values[place]);
  const StoredRecord other = Change(Item("upsert", R"({"tries":4})"), existing);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(other.values[place], ColumnValue(kNow));
  const StoredRecord sent = Change(
      Item("upsert", R"({"tries":4,"changed_at":"2020-01-01T00:00:00Z"})"),
      existing);
  EXPECT_EQ(sent.values[place], ColumnValue(int64_t{1577836800000000}));
}

TEST_F(RecordMergerTest, GeneratedFieldsFollow) {
  Declare(kTasks);
  const StoredRecord changed =
      Change(Item("upsert", R"({"tries":5})"), Made(R"({"tries":3})"));
  EXPECT_EQ(changed.values[collection().spec.FieldIndex("priority")],
            ColumnValue(int64_t{50}));
}

TEST_F(RecordMergerTest, TransformsComputeFromWhatIsHeld) {
  struct Case {
    const char* field;
    const char* held;
    const char* transform;
    std::string result;
  };
  const Case kCases[] = {
      {"tries", "2", "increment { number_value: 2 }", "4"},
      {"tries", "null", "increment { number_value: 2 }", "2"},
      {"tries", "2", "increment { string_value: '-5' }", "-3"},
      {"score", "0.5", "increment { number_value: 0.25 }", "0.75"},
      {"score", "0.5", "max { number_value: 0.25 }", "0.5"},
      {"score", "0.5", "max { number_value: 0.75 }", "0.75"},
      {"score", "null", "max { number_value: -1 }", "-1"},
      {"score", "0.5", "min { number_value: 0.25 }", "0.25"},
      {"score", "null", "min { number_value: 9 }", "9"},
      {"name", R"("b")", "max { string_value: 'c' }", R"("c")"},
      {"name", R"("b")", "min { string_value: 'c' }", R"("b")"},
      {"done_at", "null", "set_now {}", absl::StrCat("\"", kNowText, "\"")},
      {"done_at", R"("2020-01-01T00:00:00Z")", "set_now { if_absent: true }",
       R"("2020-01-01T00:00:00Z")"},
      {"done_at", "null", "set_now { if_absent: true }",
       absl::StrCat("\"", kNowText, "\"")},
      {"name", "null", "set_if_absent { string_value: 'x' }", R"("x")"},
      {"name", R"("a")", "set_if_absent { string_value: 'x' }", R"("a")"},
      {"labels", R"(["a"])",
       "append { elements { values { string_value: 'b' } "
       "values { string_value: 'a' } } }",
       R"(["a","b","a"])"},
      {"labels", R"(["a"])",
       "append { unique: true elements { values { string_value: 'b' } "
       "values { string_value: 'a' } values { string_value: 'b' } } }",
       R"(["a","b"])"},
      {"labels", R"(["a","b","c"])",
       "append { keep_last: 2 elements { values { string_value: 'd' } } }",
       R"(["c","d"])"},
      {"labels", "null", "append { elements { values { string_value: 'b' } } }",
       R"(["b"])"},
      {"labels", R"(["a","b","a"])",
       "remove { values { string_value: 'a' } values { string_value: 'z' } }",
       R"(["b"])"},
      {"labels", "null", "remove { values { string_value: 'a' } }", "null"},
      {"history", R"([{"a":1}])",
       "append { elements { values { struct_value { fields { key: 'b' value { "
       "number_value: 2 } } } } } }",
       R"([{"a":1},{"b":2}])"},
      {"history", R"([1,"1",{"a":[1,2],"b":2}])",
       "remove { values { number_value: 1 } values { struct_value { "
       "fields { key: 'b' value { number_value: 2 } } "
       "fields { key: 'a' value { list_value { values { number_value: 1 } "
       "values { number_value: 2 } } } } } } }",
       R"(["1"])"},
      {"tries", "2", "expression: 'tries + 1'", "3"},
      {"score", "null", "expression: 'coalesce(score, 0.5) * 2'", "1"},
      {"done_at", "null", "expression: 'coalesce(done_at, now)'",
       absl::StrCat("\"", kNowText, "\"")},
  };
  Declare(kTasks);
  for (const Case& c : kCases) {
    SCOPED_TRACE(absl::StrCat(c.field, " ", c.held, ": ", c.transform));
    const StoredRecord existing =
        Made(absl::StrCat("{\"", c.field, "\":", c.held, "}"));
    const StoredRecord result =
        Change(Item("update", "{}",
                    absl::StrCat("transforms { field: '", c.field, "' ",
                                 c.transform, " }")),
               existing);
    google::protobuf::Value value;
    const int place = collection().spec.FieldIndex(c.field);
    ASSERT_OK(EncodeField(collection().spec.fields[place], result.values[place],
                          &value));
    std::string text;
    json::AppendJson(value, &text);
    EXPECT_EQ(text, c.result);
  }
  EXPECT_THAT(violations(), IsEmpty());
}

TEST_F(RecordMergerTest, TransformsRunInOrderAfterTheBody) {
  Declare(kTasks);
  const std::string transforms = R"(
      transforms { field: "tries" increment { number_value: 1 } }
      transforms { field: "score" expression: "tries * 2" }
      transforms { field: "tries" increment { number_value: 1 } })";
  EXPECT_THAT(Show(Change(Item("update", R"({"tries":1})", transforms),
                          Made(R"({"tries":4})"))),
              HasSubstr(R"("score":4,"state":"open","tries":3)"));
  // On a new record they begin with its defaults.
  EXPECT_THAT(Show(Made("{}", transforms)),
              HasSubstr(R"("score":2,"state":"open","tries":2)"));
}

TEST_F(RecordMergerTest, AResultMustMeetTheFieldsRules) {
  Declare(kTasks);
  const StoredRecord existing = Made(
      R"({"tries":5,"labels":["a","b","c"],"history":{"a":1},"name":"x"})");
  Change(Item("update", "{}", R"(
      transforms { field: "tries" increment { number_value: 1 } }
      transforms { field: "labels"
                   append { elements { values { string_value: "d" } } } }
      transforms { field: "history" remove { values { number_value: 1 } } }
      transforms { field: "state" expression: "name" })"),
         existing);
  EXPECT_THAT(
      violations(),
      ElementsAre(Pair("items[0].transforms[0]", "is 6; at most 5 is allowed"),
                  Pair("items[0].transforms[1]",
                       "has 4 elements; at most 3 are allowed"),
                  Pair("items[0].transforms[2]", HasSubstr("holds no list")),
                  Pair("items[0].transforms[3]", HasSubstr("allowed are"))));
}

TEST_F(RecordMergerTest, RequiredAndImmutableFieldsAreChecked) {
  Declare(R"(
collection: orders
fields:
  customer: {type: string, required: true, immutable: true}
  note:     {type: string, immutable: true}
  total:    {type: double, required: true}
  paid:     {type: double}
checks: ['paid IS NULL OR paid <= total', 'customer != "nobody"']
)");
  const std::string path = "items[0].upsert.fields";
  const auto check = [&](const StoredRecord* before,
                         const StoredRecord& after) {
    FieldViolations violations;
    CheckRecord(collection(), before, after, path, kNow, violations);
    return ViolationsOf(violations.ToStatus());
  };
  const StoredRecord good = Made(R"({"customer":"a","total":5,"paid":5})");
  EXPECT_THAT(check(nullptr, good), IsEmpty());
  EXPECT_THAT(check(nullptr, Made("{}")),
              ElementsAre(Pair(path + ".customer", HasSubstr("is required")),
                          Pair(path + ".total", HasSubstr("is required")),
                          Pair(path, HasSubstr("customer !="))));
  EXPECT_THAT(check(nullptr, Made(R"({"customer":"a","total":5,"paid":6})")),
              ElementsAre(Pair(
                  path, "breaks the check `paid IS NULL OR paid <= total`")));
  const StoredRecord noted =
      Change(Item("upsert", R"({"customer":"a","note":"n"})"), good);
  EXPECT_THAT(check(&good, noted), IsEmpty());
  EXPECT_THAT(
      check(&noted,
            Change(Item("upsert", R"({"customer":"b","note":null})"), noted)),
      UnorderedElementsAre(
          Pair(path + ".customer",
               "is immutable and has the value \"a\"; leave it out"),
          Pair(path + ".note", HasSubstr("is immutable"))));
}

TEST_F(RecordMergerTest, ExtractedFieldsFollowTheirJson) {
  Declare(R"(
collection: notes
fields:
  metadata: {type: json}
  author:   {type: string, extract: metadata.author, max_length: 5}
  year:     {type: int, extract: metadata.dates.year}
)");
  const StoredRecord made =
      Made(R"({"metadata":{"author":"Ann","dates":{"year":2020}}})");
  EXPECT_EQ(made.values[1], ColumnValue("Ann"));
  EXPECT_EQ(made.values[2], ColumnValue(int64_t{2020}));
  // Another type is no value.
  const StoredRecord changed =
      Change(Item("upsert", R"({"metadata":{"author":7,"dates":2020}})"), made);
  for (int place = 1; place <= 2; ++place) {
    EXPECT_EQ(changed.values[place], ColumnValue()) << place;
  }
  EXPECT_THAT(violations(), IsEmpty());
  Change(Item("upsert", R"({"metadata":{"author":"Alexander"}})"), made);
  EXPECT_THAT(violations(),
              ElementsAre(Pair("items[0].upsert.fields.author",
                               HasSubstr("at most 5 are allowed"))));
}

TEST_F(RecordMergerTest, AConditionNamesTheVersionOrTheStateThatIsWanted) {
  Declare(kTasks);
  StoredRecord existing = Made(R"({"state":"running"})");
  existing.version = 3;
  const auto check = [&](const std::string& condition,
                         const StoredRecord* record) {
    return CheckCondition(
        Item("update", "{}", absl::StrCat("condition {", condition, "}")),
        record, kNow);
  };
  EXPECT_OK(check("version: 3", &existing));
  const absl::Status stale = check("version: 2", &existing);
  EXPECT_THAT(stale, StatusIs(absl::StatusCode::kAborted, "has version 3"));
  EXPECT_EQ(ReasonOf(stale), common::v1::ERROR_REASON_VERSION_MISMATCH);
  EXPECT_THAT(check("version: 0", &existing),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_OK(check("version: 0", nullptr));
  EXPECT_THAT(check("version: 3", nullptr),
              StatusIs(absl::StatusCode::kAborted, "does not exist"));
  EXPECT_OK(check(R"(filter: "state = \"running\"")", &existing));
  const absl::Status unmet = check(R"(filter: "state = :s AND _version = 3"
               parameters { fields { key: "s" value { string_value: "open" } } })",
                                   &existing);
  EXPECT_THAT(unmet,
              StatusIs(absl::StatusCode::kFailedPrecondition, "state = :s"));
  EXPECT_EQ(ReasonOf(unmet), common::v1::ERROR_REASON_CONDITION_UNMET);
}

TEST_F(RecordMergerTest, RecordsExpireByFieldByAgeOrAfterTheLastWrite) {
  Declare(
      "collection: a\nfields: {until: {type: timestamp}}\n"
      "expire: {field: until}\n");
  EXPECT_EQ(Made("{}").expires_us, std::nullopt);
  EXPECT_EQ(Made(R"({"until":"2023-11-14T22:13:20Z"})").expires_us, kCreated);

  constexpr int64_t kDay = int64_t{86'400} * 1'000'000;
  Declare("collection: b\nfields: {x: {type: int}}\nexpire: {after: 1d}\n");
  const StoredRecord aging = Made("{}");
  EXPECT_EQ(aging.expires_us, kCreated + kDay);
  EXPECT_EQ(Change(Item("update", R"({"x":1})"), aging).expires_us,
            kCreated + kDay);

  Declare(
      "collection: c\nfields: {x: {type: int}}\n"
      "expire: {after: 1d, sliding: true}\n");
  // Even a write that changes nothing prolongs its life.
  EXPECT_EQ(Change(Item("update", "{}"), Made("{}")).expires_us, kNow + kDay);
  EXPECT_FALSE(changed_);
}

// Whatever is sent, sending it again changes nothing where the rules are such.
TEST_F(RecordMergerTest, KeepMaxMinAndUnionAreIdempotent) {
  Declare(R"(
collection: sets
fields:
  keep: {type: string, merge: keep}
  max:  {type: int, merge: max}
  min:  {type: double, merge: min}
  tags: {type: strings, merge: union}
  last: {type: string, collate: nocase, merge: max}
)");
  std::mt19937 random(7);
  const auto pick = [&](int n) { return static_cast<int>(random() % n); };
  const auto body = [&] {
    std::vector<std::string> parts;
    const char* kWords[] = {"\"a\"", "\"B\"",    "\"b\"",
                            "\"ü\"", "\"\\\"\"", "null"};
    if (pick(2)) parts.push_back(absl::StrCat("\"keep\":", kWords[pick(6)]));
    if (pick(2)) parts.push_back(absl::StrCat("\"last\":", kWords[pick(6)]));
    if (pick(2)) parts.push_back(absl::StrCat("\"max\":", pick(9) - 4));
    if (pick(2)) parts.push_back(absl::StrCat("\"min\":", pick(9) / 2.0));
    if (pick(2)) {
      std::string tags;
      for (int i = pick(5); i > 0; --i) {
        absl::StrAppend(&tags, tags.empty() ? "" : ",", kWords[pick(5)]);
      }
      parts.push_back(absl::StrCat("\"tags\":[", tags, "]"));
    }
    return absl::StrCat("{", absl::StrJoin(parts, ","), "}");
  };
  for (int i = 0; i < 500; ++i) {
    const StoredRecord existing = Made(body());
    const std::string sent = body();
    const RecordItem item = Item("upsert", sent);
    const StoredRecord once = Change(item, existing);
    const StoredRecord twice = Change(item, once);
    EXPECT_FALSE(changed_) << Show(existing) << " and " << sent;
    EXPECT_EQ(Show(once), Show(twice));
    EXPECT_EQ(once.version, twice.version);
  }
  EXPECT_THAT(violations(), IsEmpty());
}

}  // namespace
}  // namespace engram::storage
