#include "services/storage/sql_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/json/json.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/sql_values.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using testing::StructOf;
using testing::TestDatabase;
using ::testing::UnorderedElementsAre;
using testing::ViolationsOf;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string, required: true}
  stars: {type: int, index: true}
  share: {type: double}
  twice: {type: int, generated: 'stars * 2'}
  tags:  {type: strings, index: true}
full_text: [title]
)";

constexpr absl::string_view kEndless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) ";

class SqlQueryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(database_.Apply({kNotes}));
    ASSERT_OK(database_.Write(R"([
        {"collection": "notes", "create": {"id": "a", "fields":
            {"title": "red apples", "stars": 5, "tags": ["x"]}}},
        {"collection": "notes", "create": {"id": "b", "fields":
            {"title": "a boat", "stars": "9007199254740993"}}},
        {"collection": "notes", "create": {"id": "c", "fields":
            {"title": "", "share": 0.1}}}])"));
  }

  absl::StatusOr<v1::QueryResponse> Query(absl::string_view sql,
                                          const std::string& parameters = "{}",
                                          int max_rows = 0) {
    v1::QueryRequest request;
    request.set_sql(std::string(sql));
    *request.mutable_parameters() = StructOf(parameters);
    request.set_max_rows(max_rows);
    v1::QueryResponse response;
    const absl::Status status =
        RunSqlQuery(database_.database(), request, bounds_, limits_, &response);
    if (!status.ok()) return status;
    return response;
  }

  // The rows as JSON.
  std::vector<std::string> Rows(absl::string_view sql,
                                const std::string& parameters = "{}") {
    const auto response = Query(sql, parameters);
    EXPECT_OK(response) << sql;
    std::vector<std::string> rows;
    if (!response.ok()) return rows;
    for (const auto& row : response->rows()) {
      google::protobuf::Value list;
      *list.mutable_list_value() = row;
      json::AppendJson(list, &rows.emplace_back());
    }
    return rows;
  }

  TestDatabase database_;
  CallBounds bounds_;
  SqlQueryLimits limits_;
};

TEST_F(SqlQueryTest, CollectionsAreTablesWithTheirFieldsAsColumns) {
  EXPECT_THAT(Rows("SELECT id, title, stars, twice FROM notes WHERE stars = 5"),
              ElementsAre(R"(["a","red apples",5,10])"));
  EXPECT_THAT(Rows("SELECT title FROM notes ORDER BY id DESC LIMIT 1"),
              ElementsAre(R"([""])"));
  EXPECT_THAT(Rows("SELECT count(*), avg(share) FROM notes"),
              ElementsAre("[3,0.1]"));
  EXPECT_THAT(Rows("SELECT n.id FROM notes n, json_each(n.tags) t WHERE "
                   "t.value = 'x'"),
              ElementsAre(R"(["a"])"));
  // Engram's own tables, and the indexes for words and elements.
  EXPECT_THAT(Rows("SELECT name FROM _collections"),
              ElementsAre(R"(["notes"])"));
  EXPECT_THAT(Rows("SELECT n.id FROM _text_1 t JOIN notes n ON n._row = t.rowid"
                   " WHERE _text_1 MATCH 'apples'"),
              ElementsAre(R"(["a"])"));
  const auto table = Query("PRAGMA table_info(notes)");
  ASSERT_OK(table);
  EXPECT_THAT(table->columns(), ElementsAre("cid", "name", "type", "notnull",
                                            "dflt_value", "pk"));
  EXPECT_THAT(Rows("EXPLAIN QUERY PLAN SELECT * FROM notes WHERE stars = 5"),
              ElementsAre(HasSubstr("SEARCH notes USING INDEX")));
}

TEST_F(SqlQueryTest, ValuesOfEveryKind) {
  EXPECT_THAT(Rows("SELECT NULL, 1, -0.5, 'é', x'00ff', true, x''"),
              ElementsAre(R"([null,1,-0.5,"é","AP8=",1,""])"));
  EXPECT_THAT(
      Rows("SELECT 9007199254740991, 9007199254740992, "
           "-9223372036854775807 - 1"),
      ElementsAre(
          R"([9007199254740991,"9007199254740992","-9223372036854775808"])"));
  // What JSON's numbers cannot be.
  EXPECT_THAT(Rows("SELECT 9e999, -9e999, 9e999 - 9e999"),
              ElementsAre(R"(["Infinity","-Infinity",null])"));
  EXPECT_THAT(Rows("SELECT CAST(x'61ff62' AS TEXT), CAST(x'e28228' AS TEXT)"),
              ElementsAre(R"(["a�b","��("])"));
  EXPECT_THAT(Rows("SELECT 'a' || char(0) || 'b'"),
              ElementsAre(R"(["a\u0000b"])"));
  const auto same = Query("SELECT 1 AS a, 2 AS a, 3 AS \"\"");
  ASSERT_OK(same);
  EXPECT_THAT(same->columns(), ElementsAre("a", "a", ""));
}

TEST_F(SqlQueryTest, WhatIsNoUtf8IsReplacedByteByByte) {
  EXPECT_EQ(MakeUtf8("plain é 漢 \U0001F600"), "plain é 漢 \U0001F600");
  for (const absl::string_view bad :
       {"\x80", "\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf8", "\xe2\x82", "\xf0\x9f\x98"}) {
    std::string replaced = "<";
    for (size_t i = 0; i < bad.size(); ++i) replaced += "\xEF\xBF\xBD";
    EXPECT_EQ(MakeUtf8(absl::StrCat("<", bad, ">")), replaced + ">");
    EXPECT_EQ(MakeUtf8(absl::StrCat("<", bad)), replaced);
  }
}

TEST_F(SqlQueryTest, ParametersAreBoundByName) {
  EXPECT_THAT(
      Rows("SELECT :a, @b, $c, :d, :e, :a",
           R"({"a": 1, "b": "x' OR 1", "c": true, "d": null, "e": 1.5})"),
      ElementsAre(R"([1,"x' OR 1",1,null,1.5,1])"));
  EXPECT_THAT(Rows("SELECT typeof(:a), typeof(:b), typeof(:c)",
                   R"({"a": 1, "b": 1e300, "c": 0.5})"),
              ElementsAre(R"(["integer","real","real"])"));
  // An integer beyond what JSON's numbers hold, as Engram writes it.
  EXPECT_THAT(Rows("SELECT id FROM notes WHERE stars = :n",
                   R"({"n": "9007199254740993"})"),
              ElementsAre(R"(["b"])"));
}

TEST_F(SqlQueryTest, ParametersThatDoNotFitAreReportedTogether) {
  EXPECT_THAT(
      ViolationsOf(Query("SELECT :a, :b, :c",
                         R"({"a": [1], "b": {}, "unused": 1, "also": 2})")
                       .status()),
      UnorderedElementsAre(
          Pair("parameters.a", "wants null, true, false, a number or a string"),
          Pair("parameters.b", "wants null, true, false, a number or a string"),
          Pair("parameters.c", "is missing, and the statement uses it"),
          Pair("parameters.also", "is used nowhere; leave it out"),
          Pair("parameters.unused", "is used nowhere; leave it out")));
  for (const char* sql : {"SELECT ?", "SELECT ?2", "SELECT :a, ?"}) {
    EXPECT_THAT(ViolationsOf(Query(sql, R"({"a": 1})").status()),
                ::testing::Contains(
                    Pair("sql", "has a parameter without a name; write :name")))
        << sql;
  }
}

TEST_F(SqlQueryTest, WhatIsWrongWithTheTextIsAViolationOfIt) {
  EXPECT_THAT(
      ViolationsOf(Query("SELECT * FRM notes").status()),
      ElementsAre(Pair("sql", "column 10: near \"FRM\": syntax error")));
  EXPECT_THAT(ViolationsOf(Query("SELECT title, titel FROM notes").status()),
              ElementsAre(Pair("sql", "column 15: no such column: titel")));
  EXPECT_THAT(ViolationsOf(Query("").status()),
              ElementsAre(Pair("sql", "holds no statement")));
  EXPECT_THAT(ViolationsOf(Query("SELECT 1; SELECT 2").status()),
              ElementsAre(Pair("sql", HasSubstr("column 11: a second"))));
  // Found while it runs.
  EXPECT_THAT(ViolationsOf(Query("SELECT json('{')").status()),
              ElementsAre(Pair("sql", "malformed JSON")));
  EXPECT_THAT(ViolationsOf(Query("SELECT 1", "{}", -1).status()),
              ElementsAre(Pair("max_rows", HasSubstr("is -1"))));
}

TEST_F(SqlQueryTest, NothingIsWritten) {
  ASSERT_OK(database_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  const int64_t version = database_.QueryInt("PRAGMA data_version");
  const std::string content = database_.QueryText(
      "SELECT group_concat(id || _version || _sequence) FROM notes");
  for (const char* sql :
       {"DELETE FROM notes", "UPDATE notes SET stars = 1 RETURNING id",
        "INSERT INTO _changes VALUES (1)", "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = 1", "VACUUM", "VACUUM INTO '/tmp/x'",
        "ATTACH '/tmp/x' AS x", "CREATE TEMP TABLE t (a)", "BEGIN",
        "SELECT load_extension('x')", "EXPLAIN DELETE FROM notes",
        "INSERT INTO _text_1 (_text_1) VALUES ('rebuild')",
        "PRAGMA wal_checkpoint(TRUNCATE)"}) {
    EXPECT_THAT(ViolationsOf(Query(sql).status()),
                ElementsAre(Pair("sql", HasSubstr("not allowed"))))
        << sql;
  }
  EXPECT_EQ(database_.QueryInt("PRAGMA data_version"), version);
  EXPECT_EQ(database_.QueryText(
                "SELECT group_concat(id || _version || _sequence) FROM notes"),
            content);
  // Those who read and write go on as before.
  EXPECT_OK(database_.WriteOne(
      R"({"collection": "notes", "upsert": {"id": "d", "fields":
          {"title": "new"}}})"));
  EXPECT_THAT(Rows("SELECT count(*) FROM notes"), ElementsAre("[4]"));
}

TEST_F(SqlQueryTest, RowsAreBounded) {
  const std::string sql = absl::StrCat(kEndless, "SELECT i FROM n");
  const auto by_default = Query(sql);
  ASSERT_OK(by_default);
  EXPECT_EQ(by_default->rows_size(), 1000);
  EXPECT_TRUE(by_default->truncated());
  EXPECT_EQ(Query(sql, "{}", 7)->rows_size(), 7);
  EXPECT_EQ(Query(sql, "{}", 1'000'000)->rows_size(), 10'000);
  const auto exact = Query("SELECT id FROM notes", "{}", 3);
  ASSERT_OK(exact);
  EXPECT_EQ(exact->rows_size(), 3);
  EXPECT_FALSE(exact->truncated());
  EXPECT_TRUE(Query("SELECT id FROM notes", "{}", 2)->truncated());
  EXPECT_TRUE(exact->has_duration());
}

TEST_F(SqlQueryTest, AnAnswerIsBoundedInBytes) {
  const auto response = Query(absl::StrCat(
      kEndless, "SELECT hex(zeroblob(50000)), i, NULL FROM n LIMIT 100"));
  ASSERT_OK(response);
  EXPECT_TRUE(response->truncated());
  EXPECT_LT(response->rows_size(), 42);
  EXPECT_GT(response->rows_size(), 35);
  EXPECT_LT(response->ByteSizeLong(), 4 << 20);
  // Many small values count too.
  std::string columns = "SELECT 1";
  for (int i = 0; i < 999; ++i) columns += ",NULL";
  const auto wide =
      Query(absl::StrCat(columns, " FROM (", kEndless, "SELECT i FROM n)"),
            "{}", 10'000);
  ASSERT_OK(wide);
  EXPECT_TRUE(wide->truncated());
  EXPECT_LT(wide->ByteSizeLong(), 4 << 20);
  // One that fits no answer.
  EXPECT_THAT(Query("SELECT zeroblob(3500000)"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "the first row alone has more than the 4128768 bytes"));
}

TEST_F(SqlQueryTest, ValuesMemoryAndLengthsAreBounded) {
  EXPECT_THAT(Query("SELECT length(zeroblob(1000000000))"),
              StatusIs(absl::StatusCode::kResourceExhausted, "larger than"));
  EXPECT_THAT(Query(absl::StrCat(kEndless,
                                 "SELECT json_group_array(hex("
                                 "zeroblob(100000))) FROM n")),
              StatusIs(absl::StatusCode::kResourceExhausted, "more memory"));
  EXPECT_THAT(Query(absl::StrCat("SELECT '", std::string(300'000, 'x'), "'")),
              StatusIs(absl::StatusCode::kInvalidArgument, "at most 262144"));
  EXPECT_THAT(
      Query("SELECT :x",
            absl::StrCat("{\"x\": \"", std::string(5 << 20, 'x'), "\"}")),
      StatusIs(absl::StatusCode::kResourceExhausted, "larger than"));
}

TEST_F(SqlQueryTest, TimeIsBounded) {
  limits_.time = absl::Milliseconds(20);
  EXPECT_THAT(Query(absl::StrCat(kEndless, "SELECT count(*) FROM n")),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "the statement worked for 20ms, the most that one may"));
  bounds_.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_THAT(Query(absl::StrCat(kEndless, "SELECT count(*) FROM n")),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "the call's deadline has passed"));
}

TEST_F(SqlQueryTest, ACallThatIsCancelledEnds) {
  int asked = 0;
  bounds_.is_cancelled = [&] { return ++asked > 2; };
  EXPECT_THAT(Query(absl::StrCat(kEndless, "SELECT count(*) FROM n")),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LE(asked, 5);
}

TEST_F(SqlQueryTest, ReadsWhatTheNewestCommitLeft) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(database_.WriteOne(
        absl::StrCat(R"({"collection": "notes", "upsert": {"id": "n)", i,
                     R"(", "fields": {"title": "t"}}})")));
    EXPECT_THAT(Rows("SELECT count(*) FROM notes WHERE title = 't'"),
                ElementsAre(absl::StrCat("[", i + 1, "]")));
  }
}

}  // namespace
}  // namespace engram::storage
