#include "libs/filter/sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/filter/evaluate.h"
#include "libs/filter/filter.h"
#include "libs/filter/testing/sample_records.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::filter {
namespace {

using google::protobuf::Struct;
using schema::FieldType;
using schema::FieldValue;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::PlaceOf;
using testing::Record;
using testing::SampleFields;
using testing::SampleScope;
using testing::SampleTable;
using testing::TellingRecords;

std::string Column(int place) {
  return absl::StrCat("\"", SampleFields()[place].name, "\"");
}

class SqlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        table_,
        SampleTable::Create(directory_.File("sample.db"), TellingRecords(100)));
  }

  Node Parse(const std::string& text, const std::string& json = "{}") {
    Struct parameters;
    if (!google::protobuf::util::JsonStringToMessage(json, &parameters).ok()) {
      std::abort();
    }
    auto node = ParseFilter(text, SampleScope(), parameters);
    EXPECT_OK(node) << text;
    return node.ok() ? *std::move(node) : Node();
  }
  std::string PlanOf(const std::string& text, const std::string& json = "{}") {
    const auto plan = table_->Plan(table_->Compile(Parse(text, json)));
    EXPECT_OK(plan) << text;
    return plan.ok() ? *plan : "";
  }
  std::string TextOf(const std::string& text) {
    return CompileSqlText(Parse(text), Column);
  }

  engram::testing::TempDirectory directory_;
  std::unique_ptr<SampleTable> table_;
};

TEST_F(SqlTest, ReadsAsItWasWritten) {
  const Sql sql = table_->Compile(
      Parse("title = 'a' AND (count >= 5 OR NOT ready) AND size IS NOT NULL"));
  EXPECT_EQ(sql.text,
            "\"title\" = ? AND (\"count\" >= ? OR (\"ready\" = 1) IS NOT TRUE) "
            "AND \"size\" IS NOT NULL");
  EXPECT_THAT(sql.parameters,
              ElementsAre(FieldValue("a"), FieldValue(int64_t{5})));
}

TEST_F(SqlTest, PlainComparisonsUseTheColumnsIndex) {
  const struct {
    std::string text;
    std::string plan;
  } cases[] = {
      {"title = 'a'", "INDEX by title (title=?)"},
      {"'a' = title", "INDEX by title (title=?)"},
      {"title > 'a' AND title < 'b'", "INDEX by title (title>? AND title<?)"},
      {"title PREFIX 'ab'", "INDEX by title (title>? AND title<?)"},
      {"name = 'a'", "INDEX by name (name=?)"},
      {"name >= 'a'", "INDEX by name (name>?)"},
      {"name IN ('a', 'b')", "INDEX by name (name=?)"},
      {"count = 5", "INDEX by count (count=?)"},
      {"count = 5.0", "INDEX by count (count=?)"},
      {"count <= :x", "INDEX by count (count<?)"},
      {"count IN (1, 2)", "INDEX by count (count=?)"},
      {"score = 1", "INDEX by score (score=?)"},
      {"score >= 0.5", "INDEX by score (score>?)"},
      {"ready", "INDEX by ready (ready=?)"},
      {"ready = false", "INDEX by ready (ready=?)"},
      {"created > now - 7d", "INDEX by created (created>?)"},
      {"created >= '2026-01-31T12:00:00Z'", "INDEX by created (created>?)"},
      {"hash = 'AAEC'", "INDEX by hash (hash=?)"},
      {"count IS NULL", "INDEX by count (count=?)"},
      {"labels HAS 'sql'", "SEARCH elements USING PRIMARY KEY (value=?)"},
      {"labels HAS 'sql'", "SEARCH records USING INTEGER PRIMARY KEY"},
      {"title = 'a' OR count = 5", "MULTI-INDEX OR"},
  };
  for (const auto& c : cases) {
    const bool uses_parameter = c.text.find(":x") != std::string::npos;
    EXPECT_THAT(PlanOf(c.text, uses_parameter ? R"({"x":5})" : "{}"),
                HasSubstr(c.plan))
        << c.text;
  }
}

TEST_F(SqlTest, ALongListUsesTheIndexAndOneParameter) {
  std::string strings = R"({"x":["y")";
  std::string ints = R"({"x":["9007199254740993")";
  for (int i = 0; i < 2'000; ++i) {
    absl::StrAppend(&strings, ",\"'", i, "\\\"\"");
    absl::StrAppend(&ints, ",", i);
  }
  for (const auto& [text, json] :
       std::vector<std::pair<std::string, std::string>>{
           {"title IN :x", strings + "]}"},
           {"name IN :x", strings + "]}"},
           {"count IN :x", ints + "]}"}}) {
    EXPECT_THAT(PlanOf(text, json), HasSubstr("USING COVERING INDEX by"))
        << text;
    EXPECT_EQ(table_->Compile(Parse(text, json)).parameters.size(), 1);
    EXPECT_OK(table_->CheckCondition(Parse(text, json))) << text;
  }
}

TEST_F(SqlTest, AnIntThatADoubleCannotHoldIsNotRoundedByTheIndex) {
  // 2^53 + 1 would be looked up as 2^53, which a record has.
  const Node node = Parse("score = 9007199254740993");
  EXPECT_THAT(table_->Select(table_->Compile(node)), engram::testing::IsOk());
  EXPECT_OK(table_->CheckCondition(node));
  EXPECT_OK(table_->CheckCondition(Parse("score <= 9007199254740993")));
  EXPECT_OK(table_->CheckCondition(Parse("score < size")));
}

TEST_F(SqlTest, ValuesAreNeverPartOfTheText) {
  const std::string attack = "x' OR 1=1; DROP TABLE records; --";
  for (const std::string& text : std::vector<std::string>{
           "title = :x", "title IN (:x)", "title LIKE :x", "title PREFIX :x",
           "tags HAS :x", "labels HAS :x", "metadata.a = :x",
           "coalesce(title, :x) = 'a'", "metadata.a IN (:x)"}) {
    const Node node = Parse(text, absl::StrCat("{\"x\":\"", attack, "\"}"));
    EXPECT_THAT(table_->Compile(node).text, Not(HasSubstr("DROP"))) << text;
    EXPECT_OK(table_->CheckCondition(node)) << text;
  }
  EXPECT_THAT(
      table_->Compile(Parse("metadata.\"'; DROP TABLE records; --\" = 1")).text,
      Not(HasSubstr("DROP")));
  // As text it is quoted; the table is still there for the next comparison.
  EXPECT_EQ(TextOf("title = 'x\\' OR 1=1; DROP TABLE records; --'"),
            "\"title\" = 'x'' OR 1=1; DROP TABLE records; --'");
  EXPECT_OK(table_->CheckCondition(
      Parse("metadata.\"a') = 1 OR 1=1 --\" = 1 OR title = 'x\\' --'")));
}

TEST_F(SqlTest, LiteralsAsTextAreExact) {
  EXPECT_EQ(TextOf("count = -5 AND score > 0.1 AND score < -2.5"),
            "\"count\" = (-5) AND \"score\" > 0.1 AND \"score\" < (-2.5)");
  EXPECT_EQ(TextOf("hash = 'AAEC' OR created > '1970-01-01T00:00:01Z'"),
            "\"hash\" = x'000102' OR \"created\" > 1000000");
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       sqlite::Connection::Open(directory_.File("text.db"),
                                                sqlite::Access::kReadWrite));
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    Node literal;
    literal.type = Type::kDouble;
    literal.value = number;
    ASSERT_OK_AND_ASSIGN(auto select,
                         connection->Prepare(absl::StrCat(
                             "SELECT ", CompileSqlText(literal, Column))));
    ASSERT_OK(select.Step());
    ASSERT_EQ(select.Double(0), number);
  }
}

TEST_F(SqlTest, WorksInGeneratedColumnsAndPartialIndexes) {
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       sqlite::Connection::Open(directory_.File("own.db"),
                                                sqlite::Access::kReadWrite));
  const auto generated = [&](const std::string& text, FieldType type) {
    const auto node = ParseExpression(text, SampleScope(), type, Struct());
    EXPECT_OK(node) << text;
    return node.ok() ? CompileSqlText(*node, Column) : "";
  };
  EXPECT_OK(connection->Execute(absl::StrCat(
      "CREATE TABLE t (title TEXT, name TEXT COLLATE NOCASE, count INTEGER, "
      "size INTEGER, score REAL, ready INTEGER, created INTEGER, total INTEGER "
      "GENERATED ALWAYS AS (",
      generated("max(count * size + 1, -5)", FieldType::kInt),
      ") VIRTUAL, mean REAL GENERATED ALWAYS AS (",
      generated("round(score / count, 2)", FieldType::kDouble),
      ") VIRTUAL, big INTEGER GENERATED ALWAYS AS (",
      generated("count > 5 AND name LIKE 'a%' OR title IN ('x', 'y')",
                FieldType::kBool),
      ") VIRTUAL, ends INTEGER GENERATED ALWAYS AS (",
      generated("created + 1d * score", FieldType::kTimestamp),
      ") VIRTUAL) STRICT; CREATE INDEX i ON t (count) WHERE ",
      TextOf("ready AND title IS NOT NULL AND NOT name = 'B' AND score > 0.1"),
      "; INSERT INTO t VALUES ('x', 'A', 4, 2, 0.5, 1, 1000);"
      "INSERT INTO t VALUES (NULL, 'A', 9223372036854775807, 2, 1, 1, 0)")));
  const auto query = [&](const std::string& sql) {
    const auto value = connection->QueryInt(sql);
    EXPECT_OK(value);
    return value.ok() ? *value : -99;
  };
  EXPECT_EQ(query("SELECT total FROM t WHERE title = 'x'"), 9);
  EXPECT_EQ(query("SELECT total IS NULL FROM t WHERE title IS NULL"), 1);
  EXPECT_EQ(query("SELECT mean = 0.13 FROM t WHERE title = 'x'"), 1);
  EXPECT_EQ(query("SELECT sum(big) FROM t"), 2);
  EXPECT_EQ(query("SELECT ends FROM t WHERE title = 'x'"), 43'200'001'000);
}

std::string Repeat(absl::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) absl::StrAppend(&out, text);
  return out;
}

TEST_F(SqlTest, RunsWhateverTheParserLetsPass) {
  const struct {
    std::string before;
    std::string middle;
    std::string after;
  } nests[] = {
      {"(", "count = 1", ")"},
      {"NOT ", "count = 1", ""},
      {"(ready OR hidden AND ", "count = 1", ")"},
      {"(", "count = 1", " OR ready) AND hidden"},
      {"NOT (ready AND ", "tags HAS 'a'", ")"},
      {"(metadata.a = 1 OR ", "metadata.b = json.c", ")"},
      {
          "count + (",
          "1",
          ") ",
      },
      {"count - (", "1", ") "},
      {"score / (", "1.5", ") "},
      {"min(count + 1, ", "1", ")"},
      {"max(score, 1 + ", "1.5", ")"},
      {"coalesce(metadata.a, ", "metadata.b", ")"},
      {"round(", "score", ", 2)"},
      {"-(", "count", ")"},
  };
  for (const auto& nest : nests) {
    int accepted = 0;
    for (int depth = 1; depth <= 64; ++depth) {
      std::string text =
          Repeat(nest.before, depth) + nest.middle + Repeat(nest.after, depth);
      if (nest.middle.find_first_of("=S") == std::string::npos) {
        text += " = 1";
      }
      const auto node = ParseFilter(text, SampleScope(), Struct());
      if (!node.ok()) continue;
      ++accepted;
      ASSERT_OK(table_->CheckCondition(*node)) << text;
    }
    // Enough for any purpose, even where each level is costly.
    EXPECT_GE(accepted, 5) << nest.before;
  }
}

TEST_F(SqlTest, RunsLongListsOfConditions) {
  for (const char* word : {" OR ", " AND "}) {
    std::string text = "count = 1";
    for (int i = 0; i < 3'000; ++i) absl::StrAppend(&text, word, "size = ", i);
    EXPECT_OK(table_->CheckCondition(Parse(text))) << word;
  }
}

}  // namespace
}  // namespace engram::filter
