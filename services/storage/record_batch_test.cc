#include "services/storage/record_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/text_format.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/storage/testing/collections.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeCollections;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::StructOf;
using testing::ViolationsOf;

constexpr char kPackages[] = R"(
collection: packages
fields:
  version:  {type: string, max_length: 5}
  section:  {type: string, one_of: [net, editors]}
  size:     {type: int, min: 0, max: 1000}
  score:    {type: double, min: 0, max: 1}
  free:     {type: bool, default: true}
  released: {type: timestamp, min: 2000-01-01T00:00:00Z}
  tags:     {type: strings, max_length: 3, one_of: [a, b, c], index: true}
  extra:    {type: json}
  icon:     {type: bytes, max_length: 2}
  summary:  {type: text, required: true}
  url:      {type: string, index: true}
  author:   {type: string, extract: extra.author}
  doubled:  {type: int, generated: 'size * 2'}
  files:    {type: int, default: 0}
full_text: [summary]
history: true
soft_delete: true
vectors:
  face: {supplied: true, dimensions: 3, metric: cosine}
  raw:  {supplied: true, dimensions: 2, metric: dot}
)";
constexpr char kFiles[] = R"(
collection: files
id: sequence
fields:
  package: {type: ref(packages)}
  path:    {type: string}
rollups: [{parent: package, set: {files: count}}]
)";

class RecordBatchTest : public ::testing::Test {
 protected:
  RecordBatchTest() : collections_(MakeCollections({kPackages, kFiles})) {
    catalog_.Publish(collections_);
  }

  absl::StatusOr<RecordBatch> Decode(const v1::WriteRequest& request) {
    return DecodeBatch("db", catalog_, request);
  }

  // A request of one item of `packages`, in text format.
  static v1::WriteRequest Request(const std::string& item) {
    v1::WriteRequest request;
    v1::WriteItem& added = *request.add_items();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(item, &added));
    if (added.collection().empty()) added.set_collection("packages");
    return request;
  }
  static v1::WriteRequest Upsert(const std::string& fields) {
    v1::WriteRequest request = Request("upsert { id: 'p' }");
    *request.mutable_items(0)->mutable_upsert()->mutable_fields() =
        StructOf(fields);
    return request;
  }

  // What one item decodes to.
  RecordItem Item(const v1::WriteRequest& request) {
    absl::StatusOr<RecordBatch> batch = Decode(request);
    EXPECT_OK(batch.status());
    return batch.ok() ? batch->items.at(0) : RecordItem();
  }
  RecordItem Item(const std::string& item) { return Item(Request(item)); }

  std::vector<std::pair<std::string, std::string>> Violations(
      const v1::WriteRequest& request) {
    const absl::Status status = Decode(request).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    return ViolationsOf(status);
  }
  std::vector<std::pair<std::string, std::string>> Violations(
      const std::string& item) {
    return Violations(Request(item));
  }

  std::vector<CollectionPtr> collections_;
  Catalog catalog_;
};

TEST_F(RecordBatchTest, FieldsStandInTheOrderOfTheSchema) {
  EXPECT_THAT(
      Item(Upsert(R"({"summary":"an editor","size":7,"version":null})")).sent,
      ElementsAre(Assignment{0, ColumnValue()}, Assignment{2, int64_t{7}},
                  Assignment{9, "an editor"}));
}

TEST_F(RecordBatchTest, ReportsEveryMistakeOfEveryItemAtItsPath) {
  v1::WriteRequest request = Upsert(
      R"({"version":"1.2.34","size":"many","summary":null,"sizee":1,"zebra":2})");
  *request.add_items() = Request("delete { id: '' }").items(0);
  request.add_items()->set_collection("packages");
  *request.add_items() = Request("update { id: 'a\\nb' }").items(0);
  request.add_items()->mutable_upsert();
  const std::string path = "items[0].upsert.fields.";
  EXPECT_THAT(
      Violations(request),
      ::testing::UnorderedElementsAre(
          Pair(path + "version", HasSubstr("at most 5 are allowed")),
          Pair(path + "size", HasSubstr("wants an int")),
          Pair(path + "summary", "is required; give it a value"),
          Pair(path + "sizee",
               HasSubstr("no field \"sizee\" in the collection \"packages\"; "
                         "did you mean \"size\"?")),
          Pair(path + "zebra", HasSubstr("no field \"zebra\"")),
          Pair("items[1].delete.id", "must not be empty"),
          Pair("items[2]", HasSubstr("has no action; give create, upsert")),
          Pair("items[3].update.id", HasSubstr("control character")),
          Pair("items[4].collection", HasSubstr("is empty"))));
}

TEST_F(RecordBatchTest, ChecksTheRulesOfTheSchema) {
  struct Case {
    const char* fields;
    const char* problem;
  };
  const Case kCases[] = {
      {R"({"version":"1.2.34"})", "has 6 characters; at most 5 are allowed"},
      {R"({"section":"games"})",
       "is \"games\"; allowed are \"editors\", \"net\""},
      {R"({"size":-1})", "is -1; at least 0 is allowed"},
      {R"({"size":1001})", "is 1001; at most 1000 is allowed"},
      {R"({"released":"1999-12-31T23:59:59Z"})",
       "is 1999-12-31T23:59:59Z; at least 2000-01-01T00:00:00Z is allowed"},
      {R"({"tags":["a","a","a","a"]})",
       "has 4 elements; at most 3 are allowed"},
      {R"({"icon":"AAAA"})", "has 3 bytes; at most 2 are allowed"},
      {R"({"doubled":2})", "is generated from other fields; leave it out"},
      {R"({"author":"x"})", "is extracted from extra.author; leave it out"},
      {R"({"files":2})", "is kept by a roll-up; leave it out"},
  };
  for (const Case& c : kCases) {
    EXPECT_THAT(Violations(Upsert(c.fields)),
                ElementsAre(Pair(::testing::_, c.problem)))
        << c.fields;
  }
}

TEST_F(RecordBatchTest, RefusesValuesThatNoFieldHolds) {
  const auto violations = [&](const std::string& field, auto set) {
    v1::WriteRequest request = Request("upsert {}");
    set((*request.mutable_items(0)
              ->mutable_upsert()
              ->mutable_fields()
              ->mutable_fields())[field]);
    return Violations(request);
  };
  const auto text = [](const std::string& value) {
    return [=](google::protobuf::Value& out) { out.set_string_value(value); };
  };
  const auto number = [](double value) {
    return [=](google::protobuf::Value& out) { out.set_number_value(value); };
  };
  const auto one = [](absl::string_view problem) {
    return ElementsAre(Pair(::testing::_, HasSubstr(std::string(problem))));
  };
  EXPECT_THAT(violations("url", text("a\xff")), one("not valid UTF-8"));
  EXPECT_THAT(violations("url", text(std::string("a\0b", 3))), one("NUL"));
  EXPECT_THAT(violations("size", text("9223372036854775808")),
              one("beyond 64 bits"));
  EXPECT_THAT(violations("size", number(9007199254740992.0)), one("2^53"));
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_THAT(violations("score", number(value)), one("not a finite number"));
  }
  EXPECT_THAT(violations("released", text("10000-01-01T00:00:00Z")),
              one("wants an RFC 3339 timestamp"));
}

TEST_F(RecordBatchTest, SqlInAStringIsText) {
  const char* kSql = R"('); DROP TABLE packages; --\")";
  v1::WriteRequest request = Upsert("{}");
  v1::Record& record = *request.mutable_items(0)->mutable_upsert();
  record.set_id(kSql);
  (*record.mutable_fields()->mutable_fields())["url"].set_string_value(kSql);
  const RecordItem item = Item(request);
  EXPECT_EQ(item.id, kSql);
  EXPECT_THAT(item.sent, ElementsAre(Assignment{10, kSql}));
}

TEST_F(RecordBatchTest, AcceptsValuesOnTheirBounds) {
  EXPECT_OK(Decode(Upsert(
                       R"({"version":"ünïté","size":0,"score":1,"icon":"AAA=",
                    "tags":["a","b","c"],"released":"2000-01-01T00:00:00Z"})"))
                .status());
}

TEST_F(RecordBatchTest, SaysWhereTheIdBelongs) {
  EXPECT_THAT(Violations(Upsert(R"({"id":"gimp"})")),
              ElementsAre(Pair("items[0].upsert.fields.id",
                               HasSubstr("stands beside the fields"))));
}

TEST_F(RecordBatchTest, CutsTheNamesThatAClientMadeUp) {
  // Cut where a character of two bytes stands across the limit.
  const auto violations = Violations(Upsert(absl::StrCat(
      "{\"", std::string(63, 'x'), "ü", std::string(100'000, 'x'), "\":1}")));
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_EQ(violations[0].first,
            absl::StrCat("items[0].upsert.fields.", std::string(63, 'x'), "…"));
  EXPECT_LT(violations[0].first.size() + violations[0].second.size(), 300);
}

TEST_F(RecordBatchTest, AnIndexedStringIsBounded) {
  const auto url = [](size_t bytes) {
    return absl::StrCat(R"({"url":")", std::string(bytes, 'x'), "\"}");
  };
  EXPECT_OK(Decode(Upsert(url(kMaxIndexedBytes))).status());
  EXPECT_THAT(
      Violations(Upsert(url(1 << 20))),
      ElementsAre(Pair("items[0].upsert.fields.url",
                       "has 1048576 bytes; an index takes at most 8192")));
  // Full text is no such index.
  EXPECT_OK(Decode(Upsert(absl::StrCat(R"({"summary":")",
                                       std::string(1 << 20, 'x'), "\"}")))
                .status());
}

TEST_F(RecordBatchTest, EveryActionIsRead) {
  EXPECT_EQ(Item("create { id: 'a' }").action, RecordItem::Action::kCreate);
  EXPECT_EQ(Item("upsert {}").action, RecordItem::Action::kUpsert);
  EXPECT_EQ(Item("update { id: 'a' }").action, RecordItem::Action::kUpdate);
  const RecordItem replace = Item("replace {}");
  EXPECT_EQ(replace.action, RecordItem::Action::kReplace);
  EXPECT_THAT(replace.kept,
              ElementsAre(collections_[0]->spec.FieldIndex("files")));
  const RecordItem gone = Item("delete { id: 'a' purge: true }");
  EXPECT_EQ(gone.action, RecordItem::Action::kDelete);
  EXPECT_TRUE(gone.purge);
  const RecordItem restore = Item("restore { id: 'a' version: 3 }");
  EXPECT_EQ(restore.action, RecordItem::Action::kRestore);
  EXPECT_EQ(restore.version, 3);
}

TEST_F(RecordBatchTest, AnUpdateNeedsAnId) {
  EXPECT_THAT(Violations("update {}"),
              ElementsAre(Pair("items[0].update.id", "must not be empty")));
}

TEST_F(RecordBatchTest, NumberedRecordsHaveNumbersForIds) {
  for (const char* id : {"1", "42", "9223372036854775807"}) {
    EXPECT_OK(Decode(Request(absl::StrCat("collection: 'files' create { id: '",
                                          id, "' }")))
                  .status())
        << id;
  }
  for (const char* id :
       {"0", "-1", "+1", "01", "1.0", " 1", "a", "9223372036854775808"}) {
    EXPECT_THAT(Violations(absl::StrCat("collection: 'files' create { id: '",
                                        id, "' }")),
                ElementsAre(Pair("items[0].create.id",
                                 HasSubstr("a whole number above 0"))))
        << id;
  }
}

TEST_F(RecordBatchTest, OnlyWhatIsKeptCanBeRestored) {
  EXPECT_THAT(Violations("collection: 'files' restore { id: '1' }"),
              ElementsAre(Pair("items[0].restore.version",
                               HasSubstr("declare `soft_delete`"))));
  EXPECT_THAT(Violations("collection: 'files' restore { id: '1' version: 2 }"),
              ElementsAre(Pair("items[0].restore.version",
                               HasSubstr("declare `history`"))));
  EXPECT_THAT(
      Violations("restore { id: 'a' version: -1 }"),
      ElementsAre(Pair("items[0].restore.version", HasSubstr("is below 0"))));
}

TEST_F(RecordBatchTest, AMaskedFieldThatIsNotSentIsCleared) {
  v1::WriteRequest request = Upsert(R"({"size":7})");
  auto& mask = *request.mutable_items(0)->mutable_update_mask();
  mask.add_paths("score");
  mask.add_paths("size");
  EXPECT_THAT(Item(request).sent, ElementsAre(Assignment{2, int64_t{7}},
                                              Assignment{3, ColumnValue()}));
}

TEST_F(RecordBatchTest, AMaskNamesFieldsAndHoldsAllThatIsSent) {
  v1::WriteRequest request = Upsert(R"({"size":7,"score":"x"})");
  auto& mask = *request.mutable_items(0)->mutable_update_mask();
  for (const char* path : {"scor", "summary", "doubled", "score"}) {
    mask.add_paths(path);
  }
  EXPECT_THAT(
      Violations(request),
      ElementsAre(
          Pair("items[0].upsert.fields.score", HasSubstr("wants a number")),
          Pair("items[0].update_mask.paths[0]",
               HasSubstr("did you mean \"score\"?")),
          Pair("items[0].update_mask.paths[2]", HasSubstr("is generated")),
          Pair("items[0].upsert.fields.size",
               HasSubstr("is not in update_mask")),
          Pair("items[0].upsert.fields.summary", HasSubstr("is required"))));
}

TEST_F(RecordBatchTest, PartsBelongToTheirActions) {
  const std::string mask = "update_mask { paths: 'size' }";
  const std::string transform =
      "transforms { field: 'size' increment { number_value: 1 } }";
  const std::string condition = "condition { version: 1 }";
  const auto refused = [&](const std::string& action, const std::string& part,
                           const std::string& path) {
    EXPECT_THAT(Violations(absl::StrCat(action, " ", part)),
                ::testing::Contains(Pair(absl::StrCat("items[0].", path),
                                         HasSubstr("leave it out of a"))))
        << action << " " << part;
  };
  refused("create {}", mask, "update_mask");
  refused("replace {}", mask, "update_mask");
  refused("delete { id: 'a' }", mask, "update_mask");
  refused("create {}", transform, "transforms");
  refused("delete { id: 'a' }", transform, "transforms");
  refused("restore { id: 'a' }", transform, "transforms");
  refused("create {}", condition, "condition");
  for (const char* action : {"upsert {}", "replace {}", "update { id: 'a' }",
                             "delete { id: 'a' }", "restore { id: 'a' }"}) {
    EXPECT_EQ(Item(absl::StrCat(action, " ", condition)).condition.version, 1);
  }
}

TEST_F(RecordBatchTest, TransformsFitTheirFields) {
  struct Case {
    const char* transform;
    const char* path;
    const char* problem;
  };
  const Case kCases[] = {
      {"field: 'siz' set_now {}", "field", "did you mean \"size\"?"},
      {"field: 'doubled' set_now {}", "field", "is generated"},
      {"field: 'files' increment { number_value: 1 }", "field", "roll-up"},
      {"field: 'size'", "", "has no operation"},
      {"field: 'summary' increment { number_value: 1 }", "increment",
       "changes an int or double; the field is of type text"},
      {"field: 'size' increment { number_value: 1.5 }", "increment",
       "wants an int"},
      {"field: 'size' increment { null_value: NULL_VALUE }", "increment",
       "is null"},
      {"field: 'extra' max { number_value: 1 }", "max", "of type json"},
      {"field: 'icon' min { string_value: 'AAA=' }", "min", "of type bytes"},
      {"field: 'size' append {}", "append", "of type int"},
      {"field: 'tags' append { elements { values { number_value: 1 } } }",
       "append", "list of strings"},
      {"field: 'tags' append { keep_last: -1 }", "append", "below 0"},
      {"field: 'url' remove {}", "remove", "of type string"},
      {"field: 'size' set_now {}", "set_now", "changes a timestamp"},
      {"field: 'size' set_if_absent { number_value: 2000 }", "set_if_absent",
       "at most 1000"},
      {"field: 'size' expression: 'size +'", "expression", "column"},
      {"field: 'size' expression: 'url'", "expression", ""},
      {"field: 'size' expression: ':p'", "expression", "p"},
  };
  for (const Case& c : kCases) {
    const std::string path =
        absl::StrCat("items[0].transforms[0]", *c.path ? "." : "", c.path);
    EXPECT_THAT(
        Violations(absl::StrCat("upsert {} transforms { ", c.transform, " }")),
        ElementsAre(Pair(path, HasSubstr(c.problem))))
        << c.transform;
  }
}

TEST_F(RecordBatchTest, TransformsAreBounded) {
  v1::WriteRequest request = Request("upsert {}");
  for (int i = 0; i <= kMaxTransforms; ++i) {
    v1::Transform& transform = *request.mutable_items(0)->add_transforms();
    transform.set_field("size");
    transform.mutable_increment()->set_number_value(1);
  }
  EXPECT_THAT(Violations(request),
              ElementsAre(Pair("items[0].transforms",
                               "has 101 entries; at most 100 are allowed")));
  request.mutable_items(0)->mutable_transforms()->RemoveLast();
  EXPECT_THAT(Item(request).transforms, SizeIs(kMaxTransforms));
}

TEST_F(RecordBatchTest, ConditionsAreParsed) {
  EXPECT_THAT(
      Violations("upsert {} condition { filter: 'siz = 1' }"),
      ElementsAre(Pair("items[0].condition.filter", HasSubstr("column 1"))));
  EXPECT_THAT(
      Violations("upsert {} condition { version: -1 }"),
      ElementsAre(Pair("items[0].condition.version", HasSubstr("below 0"))));
  EXPECT_THAT(
      Violations("upsert {} condition { parameters { fields { key: 'a' value "
                 "{ number_value: 1 } } } }"),
      ElementsAre(Pair("items[0].condition.parameters",
                       HasSubstr("without a filter"))));
  const RecordItem item = Item(
      "upsert {} condition { filter: 'size = :s' parameters { fields { key: "
      "'s' value { number_value: 1 } } } }");
  EXPECT_TRUE(item.condition.filter.has_value());
  EXPECT_EQ(item.condition.text, "size = :s");
}

// Float values as the API packs them.
std::string Packed(const std::vector<float>& values) {
  return std::string(vector::Pack(values));
}

v1::WriteRequest WithVectors(const std::string& field,
                             const std::vector<std::vector<float>>& chunks) {
  v1::WriteRequest request;
  v1::WriteItem& item = *request.add_items();
  item.set_collection("packages");
  v1::SuppliedVectors& vectors = *item.mutable_upsert()->add_vectors();
  vectors.set_vector_field(field);
  for (const auto& chunk : chunks) {
    vectors.add_chunks()->set_values(Packed(chunk));
  }
  return request;
}

TEST_F(RecordBatchTest, SuppliedVectorsAreMadeOfUnitLengthForCosine) {
  const RecordItem cosine = Item(WithVectors("face", {{3, 0, 4}, {0, 2, 0}}));
  ASSERT_THAT(cosine.vectors, SizeIs(1));
  EXPECT_EQ(cosine.vectors[0].field, 0);
  EXPECT_THAT(cosine.vectors[0].chunks,
              ElementsAre(Packed({0.6F, 0, 0.8F}), Packed({0, 1, 0})));
  EXPECT_THAT(Item(WithVectors("raw", {{3, 4}})).vectors[0].chunks,
              ElementsAre(Packed({3, 4})));
  EXPECT_THAT(Item(WithVectors("raw", {})).vectors[0].chunks, IsEmpty());
}

TEST_F(RecordBatchTest, SuppliedVectorsAreChecked) {
  const std::string path = "items[0].upsert.vectors[0]";
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Violations(WithVectors("nose", {})),
              ElementsAre(Pair(path + ".vector_field",
                               HasSubstr("no vector field \"nose\""))));
  EXPECT_THAT(Violations(WithVectors("face", {{1, 2}})),
              ElementsAre(Pair(path + ".chunks[0]",
                               "has 8 bytes; 3 float32 values are 12")));
  EXPECT_THAT(
      Violations(WithVectors("face", {{1, 2, 3}, {1, nan, 3}, {0, 0, 0}})),
      ElementsAre(Pair(path + ".chunks[1]", HasSubstr("not finite")),
                  Pair(path + ".chunks[2]", HasSubstr("all zeros"))));
  v1::WriteRequest twice = WithVectors("face", {});
  *twice.mutable_items(0)->mutable_upsert()->add_vectors() =
      twice.items(0).upsert().vectors(0);
  EXPECT_THAT(Violations(twice),
              ElementsAre(Pair("items[0].upsert.vectors[1].vector_field",
                               HasSubstr("named twice"))));
}

TEST_F(RecordBatchTest, ATypedBodySaysTheSame) {
  const Collection& packages = *collections_[0];
  const std::vector<int> places = {0, 2, 9};
  const std::vector<ColumnValue> values = {"1.2", int64_t{7}, "an editor"};
  v1::WriteRequest request = Request("upsert {}");
  std::string& typed =
      *request.mutable_items(0)->mutable_upsert()->mutable_typed();
  ASSERT_OK(schema::EncodeTyped(packages.spec, packages.typed, places, values,
                                &typed));
  const RecordItem item = Item(request);
  EXPECT_THAT(item.sent,
              ElementsAre(Assignment{0, "1.2"}, Assignment{2, int64_t{7}},
                          Assignment{9, "an editor"}));
  // Of a field that is there twice the last one counts.
  ASSERT_OK(schema::EncodeTyped(packages.spec, packages.typed, {0},
                                std::vector<ColumnValue>{"1.3"}, &typed));
  EXPECT_THAT(Item(request).sent,
              ElementsAre(Assignment{0, "1.3"}, Assignment{2, int64_t{7}},
                          Assignment{9, "an editor"}));
  ASSERT_OK(schema::EncodeTyped(packages.spec, packages.typed, {2},
                                std::vector<ColumnValue>{int64_t{1001}},
                                &typed));
  EXPECT_THAT(Violations(request),
              ElementsAre(Pair("items[0].upsert.typed.size",
                               "is 1001; at most 1000 is allowed")));
  typed = "\xff";
  EXPECT_THAT(Violations(request),
              ElementsAre(Pair("items[0].upsert.typed", ::testing::_)));
}

TEST_F(RecordBatchTest, AnUnknownCollectionIsNotFound) {
  const absl::Status status =
      Decode(Request("collection: 'package' upsert {}")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "items[0]"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_COLLECTION_UNKNOWN);
}

TEST_F(RecordBatchTest, NotAtomicEachItemHasItsOwnError) {
  v1::WriteRequest request = Upsert(R"({"size":-1})");
  *request.add_items() = Upsert(R"({"size":1})").items(0);
  *request.add_items() = Request("collection: 'nope' upsert {}").items(0);
  request.set_atomic(false);
  ASSERT_OK_AND_ASSIGN(const RecordBatch batch, Decode(request));
  EXPECT_FALSE(batch.atomic);
  ASSERT_THAT(batch.items, SizeIs(3));
  EXPECT_THAT(ViolationsOf(batch.items[0].error),
              ElementsAre(Pair("items[0].upsert.fields.size", ::testing::_)));
  EXPECT_OK(batch.items[1].error);
  EXPECT_THAT(batch.items[2].error, StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordBatchTest, NotAtomicTheErrorsFitOneAnswer) {
  v1::WriteRequest request;
  const v1::WriteItem bad =
      Upsert(absl::StrCat(R"({"size":-1,"section":")", std::string(300, 'x'),
                          R"(","url":7,"score":9,"a":1,"b":2,"c":3})"))
          .items(0);
  for (int i = 0; i < kMaxWriteItems; ++i) *request.add_items() = bad;
  request.set_atomic(false);
  ASSERT_OK_AND_ASSIGN(const RecordBatch batch, Decode(request));
  size_t bytes = 0;
  for (const RecordItem& item : batch.items) {
    EXPECT_THAT(item.error, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(ReasonOf(item.error), common::v1::ERROR_REASON_FIELD_INVALID);
    bytes += item.error.ToString().size();
  }
  EXPECT_LT(bytes, 4 << 20);
}

TEST_F(RecordBatchTest, TheCountOfItemsIsBounded) {
  EXPECT_THAT(ViolationsOf(Decode({}).status()),
              ElementsAre(Pair("items", HasSubstr("give 1 to 10000"))));
  v1::WriteRequest request;
  for (int i = 0; i < 100'000; ++i) request.add_items();
  const absl::Time start = absl::Now();
  EXPECT_THAT(ViolationsOf(Decode(request).status()),
              ElementsAre(Pair("items", HasSubstr("has 100000 entries"))));
  // Not one item was looked at.
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(50));
}

TEST_F(RecordBatchTest, AHostileBodyCostsLittle) {
  google::protobuf::Struct fields;
  for (int i = 0; i < 200'000; ++i) {
    (*fields.mutable_fields())[absl::StrCat("f", i)].set_bool_value(true);
  }
  v1::WriteRequest request = Request("upsert {}");
  *request.mutable_items(0)->mutable_upsert()->mutable_fields() =
      std::move(fields);
  const absl::Status status = Decode(request).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, "and 199995 more"));
  EXPECT_LT(status.ToString().size(), 16 << 10);
}

TEST_F(RecordBatchTest, ARequestIdIsBoundedAndHashesWhatIsSent) {
  v1::WriteRequest request = Upsert(R"({"size":1,"url":"x","score":0.5})");
  request.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(Violations(request),
              ElementsAre(Pair("request_id", HasSubstr("at most 128"))));
  request.set_request_id("once");
  v1::WriteRequest same;
  ASSERT_TRUE(same.ParseFromString(request.SerializeAsString()));
  v1::WriteRequest other = request;
  other.mutable_items(0)->mutable_upsert()->set_id("q");
  ASSERT_OK_AND_ASSIGN(const RecordBatch batch, Decode(request));
  EXPECT_EQ(Decode(same)->request_hash, batch.request_hash);
  EXPECT_NE(Decode(other)->request_hash, batch.request_hash);
}

}  // namespace
}  // namespace engram::storage
