#include "services/storage/record_get.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/sqlite/connection.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/record_list.h"
#include "services/storage/testing/database_fixture.h"
#include "services/storage/testing/encoded_answer.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Lt;

constexpr char kNotes[] = R"(
collection: notes
fields: {title: {type: string}, stars: {type: int}}
)";

class RecordGetTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::Record> Get(const std::string& id,
                                 const std::string& mask = "",
                                 const std::string& collection = "notes") {
    v1::RecordServiceGetRequest request;
    request.set_collection(collection);
    request.set_id(id);
    if (!mask.empty()) request.mutable_read_mask()->add_paths(mask);
    ASSIGN_OR_RETURN(const auto response,
                     DecodeAnswer<v1::RecordServiceGetResponse>(
                         GetRecord(db_.database(), hints_, request)));
    return response.record();
  }
  std::string Fields(const std::string& id, const std::string& mask = "",
                     const std::string& collection = "notes") {
    const auto record = Get(id, mask, collection);
    if (!record.ok()) return record.status().ToString();
    std::string json;
    json::AppendJson(record->fields(), &json);
    return json;
  }
  void Create(const std::string& id, const std::string& fields,
              const std::string& collection = "notes") {
    ASSERT_OK(db_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                        R"(", "create": {"id": ")", id,
                                        R"(", "fields": )", fields, "}}")));
  }

  testing::TestDatabase db_;
  RowHints hints_;
};

TEST_F(RecordGetTest, ReadsTheFieldsOfTheMask) {
  ASSERT_OK(db_.Apply({kNotes}));
  Create("a", R"({"title": "x", "stars": 5})");
  EXPECT_EQ(Fields("a"), R"({"stars":5,"title":"x"})");
  EXPECT_EQ(Fields("a", "stars"), R"({"stars":5})");
  EXPECT_EQ(Fields("a", "id"), "{}");
  EXPECT_THAT(Get("a", "color"),
              StatusIs(absl::StatusCode::kInvalidArgument, "read_mask"));
  const absl::Status missing = Get("b").status();
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(missing), common::v1::ERROR_REASON_RECORD_UNKNOWN);
  EXPECT_THAT(Get("a", "", "nothing"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Get("\n"), StatusIs(absl::StatusCode::kInvalidArgument, "id"));
}

TEST_F(RecordGetTest, HidesWhatIsDeletedOrHasExpired) {
  ASSERT_OK(db_.Apply({R"(
collection: notes
fields: {title: {type: string}}
soft_delete: true
expire: {after: 1h}
)"}));
  Create("a", R"({"title": "x"})");
  Create("b", R"({"title": "y"})");
  ASSERT_OK(Get("a"));
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "a"}})"));
  EXPECT_THAT(Get("a"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const v1::Record record, Get("b"));
  EXPECT_TRUE(record.has_expire_time());
  db_.clock().Advance(absl::Hours(1));
  EXPECT_THAT(Get("b"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordGetTest, AHintIsNotedAndMayBeWrong) {
  ASSERT_OK(
      db_.Apply({kNotes, "{collection: more, fields: {n: {type: int}}}"}));
  Create("a", R"({"title": "x"})");
  Create("b", R"({"title": "y"})");
  Create("a", R"({"n": 1})", "more");
  const int64_t notes = db_.database().catalog().Find("notes")->id;
  const RowHints::Key a = {"default", notes, "a"};
  const RowHints::Key b = {"default", notes, "b"};
  ASSERT_OK(Get("a"));
  ASSERT_OK(Get("b"));
  const int64_t row = hints_.Find(b);
  EXPECT_EQ(hints_.Find(a) + 1, row);

  ASSERT_OK(db_.WriteOne(
      R"({"collection": "notes", "update": {"id": "b", "fields": {"stars": 2}}})"));
  EXPECT_EQ(Fields("b"), R"({"stars":2,"title":"y"})");
  EXPECT_EQ(Fields("b", "stars"), R"({"stars":2})");
  EXPECT_EQ(Fields("a", "", "more"), R"({"n":1})");

  hints_.Note(b, hints_.Find(a));
  EXPECT_EQ(Fields("b"), R"({"stars":2,"title":"y"})");
  EXPECT_EQ(hints_.Find(b), row);

  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "b"}})"));
  EXPECT_THAT(Get("b"), StatusIs(absl::StatusCode::kNotFound));
  Create("b", R"({"title": "z"})");
  EXPECT_EQ(Fields("b"), R"({"title":"z"})");
  EXPECT_GT(hints_.Find(b), row);
}

// While a schema is applied, a reader may see the catalog of before or after
// with the file of after or before.
TEST_F(RecordGetTest, ReadsWithTheSchemaOfTheFileWhereTheCatalogHasAnother) {
  ASSERT_OK(db_.Apply({kNotes}));
  Create("a", R"({"title": "x", "stars": 5})");
  Catalog& catalog = db_.database().catalog();
  const auto before = catalog.List();
  const int64_t version_before = catalog.schema_version();
  // `stars` is another field now; only the rename of the title would show in
  // the statement.
  ASSERT_OK(db_.Apply({R"(
collection: notes
fields:
  headline: {type: string, renamed_from: title}
  stars: {type: string}
)",
                       "{collection: more, fields: {n: {type: int}}}"}));
  Create("m", R"({"n": 1})", "more");
  const auto after = catalog.List();
  const int64_t version_after = catalog.schema_version();

  catalog.Publish(before, version_before);
  EXPECT_EQ(Fields("a"), R"({"headline":"x","stars":"5"})");
  EXPECT_EQ(Fields("a", "stars"), R"({"stars":"5"})");
  EXPECT_EQ(Fields("a", "headline"), R"({"headline":"x"})");
  EXPECT_THAT(Get("a", "title"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(Fields("m", "", "more"), R"({"n":1})");
  catalog.Publish(after, version_after);
  EXPECT_EQ(Fields("a"), R"({"headline":"x","stars":"5"})");

  ASSERT_OK(db_.Run([](WriteTransaction& transaction) {
    return transaction.connection().Execute("DROP TABLE more");
  }));
  EXPECT_THAT(Get("m", "", "more"), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(RecordGetTest, ValuesOfEveryKindComeAsTheyWereSent) {
  ASSERT_OK(db_.Apply({R"(
collection: notes
fields:
  a: {type: strings}
  b: {type: strings}
  c: {type: json}
  d: {type: json}
  e: {type: int}
  f: {type: double}
  g: {type: bool}
  h: {type: timestamp}
  i: {type: bytes}
  j: {type: string}
  k: {type: text}
)"}));
  // By the names' order, as Fields prints them.
  const std::string fields =
      R"({"a":["x","y"],"b":["z"],"c":{"m":[1,{"n":null}]},"d":["p"],"e":7,)"
      R"("f":0.5,"g":true,"h":"2026-11-29T06:00:00.000001Z","i":"AAE=",)"
      R"("j":"été","k":""})";
  Create("n", fields);
  EXPECT_EQ(Fields("n"), fields);
  Create("o", "{}");
  EXPECT_EQ(Fields("o"), "{}");
}

TEST_F(RecordGetTest, ABatchGetHasABound) {
  ASSERT_OK(db_.Apply({"{collection: notes, fields: {body: {type: text}}}"}));
  Create("a", absl::StrCat(R"({"body": ")", std::string(1 << 20, 'b'), "\"}"));
  v1::BatchGetRequest request;
  request.set_collection("notes");
  for (int i = 0; i < 60; ++i) request.add_ids("a");
  const auto response = DecodeAnswer<v1::BatchGetResponse>(
      GetRecords(db_.database(), hints_, request, {}));
  ASSERT_OK(response);
  EXPECT_EQ(response->records_size(), 60);
  for (int i = 0; i < 10; ++i) request.add_ids("a");
  EXPECT_THAT(GetRecords(db_.database(), hints_, request, {}),
              StatusIs(absl::StatusCode::kResourceExhausted, "fewer"));
  request.mutable_read_mask()->add_paths("id");
  EXPECT_OK(GetRecords(db_.database(), hints_, request, {}));
}

TEST_F(RecordGetTest, ABatchGetCanFilter) {
  ASSERT_OK(db_.Apply({kNotes}));
  Create("a", R"({"title": "x", "stars": 3})");
  Create("b", R"({"title": "y", "stars": 5})");
  Create("c", R"({"title": "z"})");
  v1::BatchGetRequest request;
  request.set_collection("notes");
  for (const char* id : {"c", "b", "none", "a", "b"}) request.add_ids(id);
  request.set_filter("NOT stars > :n");
  (*request.mutable_parameters()->mutable_fields())["n"].set_number_value(3);
  const auto response = DecodeAnswer<v1::BatchGetResponse>(
      GetRecords(db_.database(), hints_, request, {}));
  ASSERT_OK(response);
  ASSERT_EQ(response->records_size(), 2);
  EXPECT_EQ(response->records(0).id(), "c");
  EXPECT_EQ(response->records(1).id(), "a");
  EXPECT_THAT(response->missing_ids(), ElementsAre("b", "none", "b"));

  request.set_filter("star > 3");
  const absl::Status refused =
      GetRecords(db_.database(), hints_, request, {}).status();
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument, "filter: column 1"));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                "parameters.n: is used nowhere"));
  request.set_filter("stars > :n");
  EXPECT_THAT(GetRecords(db_.database(), hints_, request,
                         {.deadline = absl::InfinitePast()}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(RecordGetTest, GetsTouchAndListsDoNot) {
  ASSERT_OK(db_.Apply({R"(
collection: memories
fields: {reads: {type: int, default: 0}}
touch: {on: get, set: {reads: "+1"}}
)"}));
  Create("m", "{}", "memories");
  EXPECT_OK(Get("m", "", "memories"));
  v1::BatchGetRequest batch;
  batch.set_collection("memories");
  batch.add_ids("m");
  EXPECT_OK(GetRecords(db_.database(), hints_, batch, {}));
  for (const bool random : {false, true}) {
    v1::RecordServiceListRequest list;
    list.set_collection("memories");
    list.set_random(random);
    const auto listed = DecodeAnswer<v1::RecordServiceListResponse>(
        ListRecords(db_.database(), list, {}));
    ASSERT_OK(listed);
    EXPECT_EQ(listed->records_size(), 1);
  }
  // Touches go with the next commit; the second write waits for it.
  Create("n", "{}", "memories");
  Create("o", "{}", "memories");
  EXPECT_EQ(db_.QueryInt("SELECT reads FROM memories WHERE id = 'm'"), 2);
}

// Large values lie in pages of their own, which a read of the small ones must
// not touch.
class LargeValuesTest : public RecordGetTest {
 protected:
  static constexpr int kRecords = 20;
  static constexpr int kPagesAValue = (1 << 20) / 8192;

  void SetUp() override {
    ASSERT_OK(db_.Apply({R"(
collection: notes
fields:
  body:  {type: text}
  meta:  {type: json}
  blob:  {type: bytes}
  lines: {type: strings}
  title: {type: string}
  kind:  {type: string, index: true}
  stars: {type: int}
)"}));
    const std::string large(1 << 20, 'x');
    for (int i = 0; i < kRecords; ++i) {
      Create(
          absl::StrCat("n", i),
          absl::StrCat(R"({"body": ")", large, R"(", "meta": {"m": ")", large,
                       R"("}, "blob": ")", large, R"(", "lines": [")", large,
                       R"("], "title": "t", "kind": "k", "stars": )", i, "}"));
    }
  }

  // Pages that `read` takes from the file, by a connection that has seen none.
  int PagesRead(const std::function<void()>& read) {
    db_.Reopen();
    read();
    auto reader = db_.database().AcquireReader();
    EXPECT_OK(reader);
    int pages = 0;
    int ignored = 0;
    EXPECT_EQ(sqlite3_db_status((*reader)->handle(), SQLITE_DBSTATUS_CACHE_MISS,
                                &pages, &ignored,
                                /*resetFlg=*/0),
              SQLITE_OK);
    return pages;
  }
  void List(const std::vector<std::string>& mask, const std::string& filter,
            const std::string& order) {
    v1::RecordServiceListRequest request;
    request.set_collection("notes");
    for (const std::string& path : mask) {
      request.mutable_read_mask()->add_paths(path);
    }
    request.set_filter(filter);
    request.set_order_by(order);
    request.set_with_total(true);
    const auto response = DecodeAnswer<v1::RecordServiceListResponse>(
        ListRecords(db_.database(), request, {}));
    ASSERT_OK(response);
    EXPECT_EQ(response->total_size(), kRecords);
  }
};

TEST_F(LargeValuesTest, AMaskWithoutThemReadsNoneOfTheirPages) {
  // The file's header and schema, indexes, and a page for each record.
  const auto few = Lt(kRecords + 40);
  EXPECT_THAT(PagesRead([&] { EXPECT_OK(Get("n3", "stars")); }), few);
  EXPECT_THAT(PagesRead([&] { EXPECT_OK(Get("n3", "title")); }), few);
  EXPECT_THAT(PagesRead([&] { EXPECT_OK(Get("n3", "id")); }), few);
  EXPECT_THAT(PagesRead([&] {
                List({"title", "kind", "stars"}, "stars >= 0", "title desc");
              }),
              few);
  EXPECT_THAT(PagesRead([&] { List({"stars"}, R"(kind = "k")", ""); }), few);
  EXPECT_THAT(PagesRead([&] { List({"id"}, "", "stars desc"); }), few);
}

TEST_F(LargeValuesTest, AMaskWithOneReadsItsPages) {
  // So the count above would tell.
  EXPECT_GT(PagesRead([&] { EXPECT_OK(Get("n3", "body")); }), kPagesAValue);
  // The first of them does not cost those behind it.
  EXPECT_LT(PagesRead([&] { EXPECT_OK(Get("n3", "body")); }),
            kPagesAValue + 60);
  EXPECT_GT(PagesRead([&] { EXPECT_OK(Get("n3")); }), 4 * kPagesAValue - 40);
}

TEST_F(LargeValuesTest, ASortDoesNotCarryThem) {
  // Only the page's one record is read whole, though all are sorted.
  EXPECT_LT(PagesRead([&] {
              v1::RecordServiceListRequest request;
              request.set_collection("notes");
              request.set_order_by("title, stars desc");
              request.set_page_size(1);
              const auto response = DecodeAnswer<v1::RecordServiceListResponse>(
                  ListRecords(db_.database(), request, {}));
              ASSERT_OK(response);
              EXPECT_EQ(response->records(0).id(), "n19");
            }),
            4 * kPagesAValue + 100);
}

}  // namespace
}  // namespace engram::storage
