#include "services/storage/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/json_util.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/group_table.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::TestDatabase;
using testing::ViolationsOf;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

constexpr char kCalls[] = R"(
collection: calls
fields:
  model:      {type: string, index: true}
  project:    {type: string, collate: nocase}
  tokens:     {type: int}
  external:   {type: int, render: string}
  cost:       {type: double}
  score:      {type: double}
  requests:   {type: int}
  failed:     {type: bool}
  tags:       {type: strings}
  labels:     {type: strings, index: true}
  started_at: {type: timestamp}
  ended_at:   {type: timestamp}
  hash:       {type: bytes}
  meta:       {type: json}
  stops_at:   {type: timestamp}
  per_token:  {type: double, generated: 'cost / tokens'}
expire: {field: stops_at}
soft_delete: true
)";

class AggregateTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(database_.Apply({kCalls})); }

  // Creates a record of these fields.
  void Create(const std::string& fields) {
    ASSERT_OK(database_.WriteOne(
        absl::StrCat(R"({"collection": "calls", "create": {"id": "c)",
                     ++records_, R"(", "fields": {)", fields, "}}}")));
  }

  static v1::AggregateRequest RequestOf(const std::string& json) {
    v1::AggregateRequest request;
    const auto status =
        google::protobuf::util::JsonStringToMessage(json, &request);
    if (!status.ok()) ADD_FAILURE() << json << ": " << status.ToString();
    if (request.collection().empty()) request.set_collection("calls");
    return request;
  }

  absl::StatusOr<v1::AggregateResponse> Ask(const std::string& json) {
    v1::AggregateResponse response;
    RETURN_IF_ERROR(
        Aggregate(database_.database(), RequestOf(json), {}, &response));
    return response;
  }

  // The rows as JSON, in their order.
  std::vector<std::string> Rows(const std::string& json) {
    const auto response = Ask(json);
    if (!response.ok()) return {response.status().ToString()};
    std::vector<std::string> rows;
    for (const auto& row : response->rows()) {
      json::AppendJson(row, &rows.emplace_back());
    }
    return rows;
  }

  // The figure of one function over all records, as JSON.
  std::string Figure(const std::string& function, const std::string& expression,
                     const std::string& more = "") {
    const std::string request = absl::StrCat(
        R"({"aggregations": [{"name": "it", "function": "FUNCTION_)", function,
        R"(", "expression": ")", expression, R"(")", more, "}]}");
    const std::vector<std::string> rows = Rows(request);
    return absl::StrJoin(rows, ";");
  }

  std::vector<std::pair<std::string, std::string>> Violations(
      const std::string& json) {
    const auto response = Ask(json);
    EXPECT_THAT(response, StatusIs(kInvalid));
    return ViolationsOf(response.status());
  }

  TestDatabase database_;
  int records_ = 0;
};

TEST_F(AggregateTest, CountsAndAddsUpByGroup) {
  Create(R"("model": "a", "tokens": 10, "cost": 0.5)");
  Create(R"("model": "b", "tokens": 1)");
  Create(R"("model": "a", "tokens": 5, "cost": 0.25)");
  Create(R"("tokens": 7, "cost": 1)");
  EXPECT_THAT(
      Rows(R"({"groupBy": [{"field": "model"}], "aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"},
                 {"name": "priced", "function": "FUNCTION_COUNT",
                  "expression": "cost"},
                 {"name": "tokens", "function": "FUNCTION_SUM",
                  "expression": "tokens"},
                 {"name": "cost", "function": "FUNCTION_SUM",
                  "expression": "cost"}]})"),
      ElementsAre(R"({"cost":1,"n":1,"priced":1,"tokens":7})",
                  R"({"cost":0.75,"model":"a","n":2,"priced":2,"tokens":15})",
                  R"({"model":"b","n":1,"priced":0,"tokens":1})"));
}

TEST_F(AggregateTest, WithoutKeysThereIsOneRowEvenOfNothing) {
  EXPECT_THAT(Rows(R"({"aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"},
                 {"name": "models", "function": "FUNCTION_COUNT_DISTINCT",
                  "expression": "model"},
                 {"name": "priced", "function": "FUNCTION_COUNT",
                  "expression": "cost"},
                 {"name": "sum", "function": "FUNCTION_SUM",
                  "expression": "tokens"},
                 {"name": "costs", "function": "FUNCTION_SUM",
                  "expression": "cost"},
                 {"name": "mean", "function": "FUNCTION_AVG",
                  "expression": "cost"},
                 {"name": "weighted", "function": "FUNCTION_AVG",
                  "expression": "cost", "weight": "tokens"},
                 {"name": "least", "function": "FUNCTION_MIN",
                  "expression": "model"}]})"),
              ElementsAre(R"({"models":0,"n":0,"priced":0})"));
  EXPECT_THAT(Rows(R"({"aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"}]})"),
              ElementsAre(R"({"n":0})"));
}

TEST_F(AggregateTest, WithKeysThereIsNoRowOfNothing) {
  EXPECT_THAT(Rows(R"({"groupBy": [{"field": "model"}], "aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"}]})"),
              IsEmpty());
}

TEST_F(AggregateTest, CountsOfAllRecordsFollowTheFilter) {
  for (int i = 0; i < 5; ++i) Create(absl::StrCat(R"("tokens": )", i));
  EXPECT_THAT(Rows(R"({"filter": "tokens >= :least", "parameters": {"least": 2},
                       "aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"},
                 {"name": "again", "function": "FUNCTION_COUNT"}]})"),
              ElementsAre(R"({"again":3,"n":3})"));
}

TEST_F(AggregateTest, KeysAloneListWhatThereIs) {
  for (const char* model : {"b", "a", "b"}) {
    Create(absl::StrCat(R"("model": ")", model, "\""));
  }
  EXPECT_THAT(Rows(R"({"groupBy": [{"field": "model"}]})"),
              ElementsAre(R"({"model":"a"})", R"({"model":"b"})"));
}

TEST_F(AggregateTest, HiddenRecordsAreInNoFigure) {
  Create(R"("tokens": 1)");
  Create(R"("tokens": 2, "stops_at": "2027-01-15T08:00:01Z")");
  Create(R"("tokens": 4)");
  ASSERT_OK(
      database_.WriteOne(R"({"collection": "calls", "delete": {"id": "c3"}})"));
  EXPECT_EQ(Figure("SUM", "tokens"), R"({"it":3})");
  database_.clock().Advance(absl::Seconds(1));
  EXPECT_EQ(Figure("SUM", "tokens"), R"({"it":1})");
  EXPECT_THAT(
      Rows(
          R"({"aggregations": [{"name": "n", "function": "FUNCTION_COUNT"}]})"),
      ElementsAre(R"({"n":1})"));
}

TEST_F(AggregateTest, SumsKeepTheirType) {
  Create(R"("tokens": "9007199254740993", "cost": 0.1, "failed": true)");
  Create(R"("tokens": 1, "cost": 0.2, "failed": false)");
  Create(R"("cost": 0.3)");
  EXPECT_EQ(Figure("SUM", "tokens"), R"({"it":"9007199254740994"})");
  // What each addition rounds off is not lost: the sum is 0.6, not
  // 0.6000000000000001.
  EXPECT_EQ(Figure("SUM", "cost"), R"({"it":0.6})");
  EXPECT_EQ(Figure("SUM", "failed"), R"({"it":1})");
  EXPECT_EQ(Figure("SUM", "cost > 0.15"), R"({"it":2})");
  EXPECT_EQ(Figure("AVG", "failed"), R"({"it":0.5})");
  // The first of the doubles is 9007199254740992 already.
  EXPECT_EQ(Figure("SUM", "1.0 * tokens"), R"({"it":9.007199254740992e+15})");
}

TEST_F(AggregateTest, ASumThatNoIntHoldsIsOutOfRange) {
  Create(R"("model": "a", "tokens": "9223372036854775807")");
  Create(R"("model": "a", "tokens": "9223372036854775807")");
  Create(R"("model": "b", "tokens": "-9223372036854775807")");
  EXPECT_THAT(Ask(R"({"groupBy": [{"field": "model"}], "aggregations": [
             {"name": "total", "function": "FUNCTION_SUM",
              "expression": "tokens"}]})"),
              StatusIs(absl::StatusCode::kOutOfRange, "the sum \"total\""));
  // Beyond on the way only, it is none the worse.
  EXPECT_EQ(Figure("SUM", "tokens"), R"({"it":"9223372036854775807"})");
  EXPECT_EQ(Figure("AVG", "tokens"), R"({"it":3.0744573456182584e+18})");
}

TEST_F(AggregateTest, DoublesThatGrowBeyondAllBoundsAreMissing) {
  Create(R"("cost": 1.7e308)");
  Create(R"("cost": 1.7e308)");
  EXPECT_EQ(Figure("SUM", "cost"), "{}");
  EXPECT_EQ(Figure("AVG", "cost"), "{}");
  EXPECT_EQ(Figure("MAX", "cost"), R"({"it":1.7e+308})");
  EXPECT_EQ(Figure("SUM", "cost * cost"), "{}");
}

TEST_F(AggregateTest, AMeanIsOverTheValuesThereAre) {
  Create(R"("score": 1, "requests": 9)");
  Create(R"("score": 2, "requests": 1)");
  Create(R"("score": 9)");
  Create(R"("requests": 5)");
  EXPECT_EQ(Figure("AVG", "score"), R"({"it":4})");
  EXPECT_EQ(Figure("AVG", "requests"), R"({"it":5})");
  // Only where value and weight both are.
  EXPECT_EQ(Figure("AVG", "score", R"(, "weight": "requests")"),
            R"({"it":1.1})");
  EXPECT_EQ(Figure("AVG", "score", R"(, "weight": "requests > 5")"),
            R"({"it":1})");
}

TEST_F(AggregateTest, WeightsThatAddUpToNothingGiveNoMean) {
  Create(R"("score": 1, "requests": 0)");
  Create(R"("score": 2, "requests": 0)");
  EXPECT_EQ(Figure("AVG", "score", R"(, "weight": "requests")"), "{}");
  EXPECT_EQ(Figure("AVG", "score / 0"), "{}");
}

TEST_F(AggregateTest, ExtremesAreWrittenAsFieldsAre) {
  Create(R"("model": "b", "tokens": "-9007199254740993", "external": 5,
            "started_at": "2026-02-03T04:05:06.5Z", "cost": 0.25)");
  Create(R"("model": "ä", "tokens": "9007199254740993", "external": 12,
            "started_at": "1969-01-01T00:00:00Z", "cost": -1.5)");
  EXPECT_EQ(Figure("MIN", "model"), R"({"it":"b"})");
  EXPECT_EQ(Figure("MAX", "model"), R"({"it":"ä"})");
  EXPECT_EQ(Figure("MIN", "tokens"), R"({"it":"-9007199254740993"})");
  EXPECT_EQ(Figure("MAX", "tokens"), R"({"it":"9007199254740993"})");
  EXPECT_EQ(Figure("MAX", "external"), R"({"it":"12"})");
  EXPECT_EQ(Figure("MAX", "external + 0"), R"({"it":12})");
  EXPECT_EQ(Figure("MIN", "started_at"), R"({"it":"1969-01-01T00:00:00Z"})");
  EXPECT_EQ(Figure("MAX", "started_at"), R"({"it":"2026-02-03T04:05:06.5Z"})");
  EXPECT_EQ(Figure("MIN", "cost"), R"({"it":-1.5})");
  EXPECT_EQ(Figure("MAX", "_version"), R"({"it":1})");
  EXPECT_EQ(Figure("MIN", "id"), R"({"it":"c1"})");
}

TEST_F(AggregateTest, GeneratedFieldsTakePart) {
  Create(R"("cost": 1, "tokens": 4)");
  Create(R"("cost": 1, "tokens": 0)");
  EXPECT_EQ(Figure("AVG", "per_token"), R"({"it":0.25})");
}

TEST_F(AggregateTest, DurationsAreSeconds) {
  Create(R"("started_at": "2026-01-01T00:00:00Z",
            "ended_at": "2026-01-01T00:00:01.5Z", "requests": 3)");
  Create(R"("started_at": "2026-01-01T00:00:00Z",
            "ended_at": "2026-01-01T00:01:00Z", "requests": 1)");
  Create(R"("started_at": "2026-01-01T00:00:00Z")");
  EXPECT_EQ(Figure("SUM", "ended_at - started_at"), R"({"it":61.5})");
  EXPECT_EQ(Figure("AVG", "ended_at - started_at"), R"({"it":30.75})");
  EXPECT_EQ(Figure("MIN", "ended_at - started_at"), R"({"it":1.5})");
  EXPECT_EQ(Figure("MAX", "ended_at - started_at"), R"({"it":60})");
  EXPECT_EQ(Figure("AVG", "ended_at - started_at", R"(, "weight": "requests")"),
            R"({"it":16.125})");
  EXPECT_EQ(Figure("COUNT_DISTINCT", "ended_at - started_at"), R"({"it":2})");
  EXPECT_THAT(
      Rows(R"({"groupBy": [{"field": "ended_at - started_at", "name": "took"}],
               "having": "took > 1.4"})"),
      ElementsAre(R"({"took":1.5})", R"({"took":60})"));
}

TEST_F(AggregateTest, CountsDifferentValues) {
  Create(R"("project": "Engram", "tokens": 1, "cost": 0, "hash": "AAE=")");
  Create(R"("project": "ENGRAM", "tokens": 1, "cost": -0.0, "hash": "AAE=")");
  Create(R"("project": "other", "tokens": 2, "meta": {"a": 1})");
  Create(R"("meta": {"a": null})");
  EXPECT_EQ(Figure("COUNT_DISTINCT", "project"), R"({"it":2})");
  EXPECT_EQ(Figure("COUNT_DISTINCT", "tokens"), R"({"it":2})");
  EXPECT_EQ(Figure("COUNT_DISTINCT", "cost"), R"({"it":1})");
  EXPECT_EQ(Figure("COUNT_DISTINCT", "hash"), R"({"it":1})");
  EXPECT_EQ(Figure("COUNT_DISTINCT", "meta"), R"({"it":2})");
  EXPECT_EQ(Figure("COUNT", "meta.a"), R"({"it":1})");
  EXPECT_EQ(Figure("COUNT_DISTINCT", "tokens > 1"), R"({"it":2})");
}

TEST_F(AggregateTest, GroupsRegardlessOfCaseWhereTheFieldCompares) {
  for (const char* project : {"b", "Engram", "engram", "ENGRAM", "A"}) {
    Create(absl::StrCat(R"("project": ")", project, "\""));
  }
  EXPECT_THAT(
      Rows(R"({"groupBy": [{"field": "project"}], "aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"}]})"),
      ElementsAre(R"({"n":1,"project":"A"})", R"({"n":1,"project":"b"})",
                  R"({"n":3,"project":"ENGRAM"})"));
  EXPECT_THAT(Rows(R"({"groupBy": [{"field": "project"}],
                       "having": "project = \"engram\""})"),
              ElementsAre(R"({"project":"ENGRAM"})"));
  EXPECT_EQ(Figure("MIN", "project"), R"({"it":"A"})");
  EXPECT_EQ(Figure("MAX", "project"), R"({"it":"engram"})");
}

TEST_F(AggregateTest, KeysOfEveryTypeAreWrittenAsFieldsAre) {
  Create(R"("external": 7, "failed": true, "cost": 0.5, "hash": "AAE=",
            "meta": {"kind": "x"}, "started_at": "2026-02-03T04:05:06Z")");
  EXPECT_THAT(
      Rows(R"({"groupBy": [{"field": "external"}, {"field": "failed"},
                 {"field": "cost"}, {"field": "hash"}, {"field": "meta"},
                 {"field": "meta.kind", "name": "kind"},
                 {"field": "started_at"}, {"field": "_version"}]})"),
      ElementsAre(
          R"({"_version":1,"cost":0.5,"external":"7","failed":true,"hash":"AAE=",)"
          R"("kind":"x","meta":{"kind":"x"},"started_at":"2026-02-03T04:05:06Z"})"));
}

TEST_F(AggregateTest, AnExpressionMakesGroupsToo) {
  Create(R"("model": "a", "tokens": 10)");
  Create(R"("tokens": 1)");
  Create(R"("model": "unknown", "tokens": 2)");
  EXPECT_THAT(Rows(R"j({"groupBy": [
                 {"field": "coalesce(model, :none)", "name": "model"},
                 {"field": "tokens >= 2", "name": "large"}],
               "parameters": {"none": "unknown"}, "aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"}]})j"),
              ElementsAre(R"({"large":true,"model":"a","n":1})",
                          R"({"large":false,"model":"unknown","n":1})",
                          R"({"large":true,"model":"unknown","n":1})"));
}

TEST_F(AggregateTest, GroupsByIntervalsOfTime) {
  Create(R"("started_at": "2026-02-03T04:05:06Z", "cost": 1)");
  Create(R"("started_at": "2026-02-03T23:59:59.999999Z", "cost": 2)");
  Create(R"("started_at": "2026-02-04T00:00:00Z", "cost": 4)");
  Create(R"("cost": 8)");
  EXPECT_THAT(
      Rows(R"({"groupBy": [{"field": "started_at", "bucket": "TIME_BUCKET_DAY",
                            "name": "day"}], "aggregations": [
                 {"name": "cost", "function": "FUNCTION_SUM",
                  "expression": "cost"}], "orderBy": "day desc"})"),
      ElementsAre(R"({"cost":4,"day":"2026-02-04T00:00:00Z"})",
                  R"({"cost":3,"day":"2026-02-03T00:00:00Z"})",
                  R"({"cost":8})"));
  EXPECT_THAT(
      Rows(
          R"({"groupBy": [{"field": "started_at", "bucket": "TIME_BUCKET_YEAR"},
                 {"field": "_create_time", "bucket": "TIME_BUCKET_WEEK"}],
               "having": "started_at IS NOT NULL"})"),
      ElementsAre(R"({"_create_time":"2027-01-11T00:00:00Z",)"
                  R"("started_at":"2026-01-01T00:00:00Z"})"));
}

TEST_F(AggregateTest, ARecordIsInTheGroupOfEachOfItsElementsOnce) {
  Create(R"("tags": ["sql", "go", "sql"], "labels": ["x", "y"], "tokens": 1)");
  Create(R"("tags": ["go", "a \"b\" \u00fc"], "tokens": 2)");
  Create(R"("tags": [], "tokens": 4)");
  Create(R"("tokens": 8)");
  EXPECT_THAT(Rows(R"({"groupBy": [{"field": "tags", "name": "tag"}],
               "aggregations": [
                 {"name": "n", "function": "FUNCTION_COUNT"},
                 {"name": "tokens", "function": "FUNCTION_SUM",
                  "expression": "tokens"}], "orderBy": "n desc"})"),
              ElementsAre(R"({"n":2,"tag":"go","tokens":3})",
                          R"({"n":1,"tag":"a \"b\" ü","tokens":2})",
                          R"({"n":1,"tag":"sql","tokens":1})"));
  // Each element of one with each of the other.
  EXPECT_THAT(
      Rows(R"({"groupBy": [{"field": "tags", "name": "tag"},
                           {"field": "labels", "name": "label"}]})"),
      ElementsAre(R"({"label":"x","tag":"go"})", R"({"label":"y","tag":"go"})",
                  R"({"label":"x","tag":"sql"})",
                  R"({"label":"y","tag":"sql"})"));
  // Which go together.
  EXPECT_THAT(Rows(R"({"groupBy": [{"field": "tags", "name": "one"},
                           {"field": "tags", "name": "other"}],
               "aggregations": [{"name": "n", "function": "FUNCTION_COUNT"}],
               "having": "one < other AND n = 1"})"),
              ElementsAre(R"({"n":1,"one":"a \"b\" ü","other":"go"})",
                          R"({"n":1,"one":"go","other":"sql"})"));
}

TEST_F(AggregateTest, HavingSeesKeysAndFigures) {
  for (int i = 0; i < 6; ++i) {
    Create(absl::StrCat(R"("model": ")", i % 3, R"(", "tokens": )", i));
  }
  const std::string request =
      R"({"groupBy": [{"field": "model"}], "parameters": {"least": 4},
          "aggregations": [
            {"name": "total", "function": "FUNCTION_SUM",
             "expression": "tokens"},
            {"name": "cost", "function": "FUNCTION_SUM",
             "expression": "cost"}], "having": ")";
  EXPECT_THAT(Rows(request + R"(total > :least AND model != \"2\""})"),
              ElementsAre(R"({"model":"1","total":5})"));
  EXPECT_THAT(
      Rows(request + R"(total + :least >= 9 AND cost IS NULL"})"),
      ElementsAre(R"({"model":"1","total":5})", R"({"model":"2","total":7})"));
  // A comparison with a missing figure is false.
  EXPECT_THAT(Rows(request + R"(cost != 5 OR total = :least"})"), IsEmpty());
}

TEST_F(AggregateTest, OrdersByFiguresMissingOnesFirstAndByKeysWhereEqual) {
  Create(R"("model": "a", "cost": 2)");
  Create(R"("model": "b", "cost": 1)");
  Create(R"("model": "c", "cost": 2)");
  Create(R"("model": "d")");
  const std::string request =
      R"({"groupBy": [{"field": "model"}], "aggregations": [
           {"name": "cost", "function": "FUNCTION_SUM", "expression": "cost"}],
          "orderBy": ")";
  EXPECT_THAT(
      Rows(request + R"(cost desc"})"),
      ElementsAre(R"({"cost":2,"model":"a"})", R"({"cost":2,"model":"c"})",
                  R"({"cost":1,"model":"b"})", R"({"model":"d"})"));
  EXPECT_THAT(
      Rows(request + R"(cost, model desc"})"),
      ElementsAre(R"({"model":"d"})", R"({"cost":1,"model":"b"})",
                  R"({"cost":2,"model":"c"})", R"({"cost":2,"model":"a"})"));
}

TEST_F(AggregateTest, SaysThatThereAreMoreGroupsThanTheLimit) {
  for (int i = 0; i < 105; ++i) {
    Create(absl::StrCat(R"("tokens": )", i));
  }
  const std::string request =
      R"({"groupBy": [{"field": "tokens"}], "orderBy": "tokens desc")";
  ASSERT_OK_AND_ASSIGN(const auto three, Ask(request + R"(, "limit": 3})"));
  EXPECT_THAT(three.rows(), SizeIs(3));
  EXPECT_TRUE(three.truncated());
  EXPECT_EQ(three.rows(0).fields().at("tokens").number_value(), 104);
  ASSERT_OK_AND_ASSIGN(const auto unstated, Ask(request + "}"));
  EXPECT_THAT(unstated.rows(), SizeIs(100));
  EXPECT_TRUE(unstated.truncated());
  ASSERT_OK_AND_ASSIGN(const auto all, Ask(request + R"(, "limit": 105})"));
  EXPECT_THAT(all.rows(), SizeIs(105));
  EXPECT_FALSE(all.truncated());
  EXPECT_EQ(all.position(), database_.database().NewestPosition().ToString());
}

TEST_F(AggregateTest, AnAnswerFitsAMessage) {
  const std::string text(1 << 20, 'x');
  for (int i = 0; i < 6; ++i) {
    Create(absl::StrCat(R"("meta": {"text": ")", i, text, R"("})"));
  }
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      Ask(R"({"groupBy": [{"field": "meta.text", "name": "text"}]})"));
  EXPECT_TRUE(response.truncated());
  EXPECT_THAT(response.rows(), SizeIs(3));
  EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
}

TEST_F(AggregateTest, TheMemoryOfGroupsIsBounded) {
  // Two hundred elements make 40,000 pairs and 8,000,000 triples.
  std::vector<std::string> tags;
  for (int i = 0; i < 200; ++i) {
    tags.push_back(absl::StrCat("\"some-tag-", i, "\""));
  }
  Create(absl::StrCat(R"("tags": [)", absl::StrJoin(tags, ","), "]"));
  EXPECT_THAT(Ask(R"({"groupBy": [{"field": "tags", "name": "a"},
                                  {"field": "tags", "name": "b"}]})"),
              ::engram::testing::IsOk());
  EXPECT_THAT(Ask(R"({"groupBy": [{"field": "tags", "name": "a"},
                                  {"field": "tags", "name": "b"},
                                  {"field": "tags", "name": "c"}]})"),
              StatusIs(absl::StatusCode::kResourceExhausted, "64 MiB"));
}

TEST_F(AggregateTest, DifferentValuesCountTowardsTheMemory) {
  AggregatePlan plan;
  AggregateFigure figure;
  figure.column.name = "different";
  figure.function = v1::Aggregation::FUNCTION_COUNT_DISTINCT;
  figure.value = filter::Node();
  figure.value->type = filter::Type::kInt;
  plan.figures.push_back(figure);
  GroupTable groups(plan);
  absl::Status status;
  int64_t values = 0;
  while (status.ok() && values < 10'000'000) {
    const GroupTable::Input input = {values++, Cell()};
    status = groups.Add({}, {&input, 1});
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_GT(values, 500'000);
}

TEST_F(AggregateTest, ObeysDeadlineAndCancellation) {
  for (int i = 0; i < 100; ++i) Create(R"("tags": ["a", "b"], "tokens": 1)");
  v1::AggregateResponse response;
  // Each record is in 256 groups: enough of them for a look at the bounds.
  const v1::AggregateRequest request = RequestOf(
      R"({"groupBy": [{"field": "tags", "name": "a"},
                      {"field": "tags", "name": "b"},
                      {"field": "tags", "name": "c"},
                      {"field": "tags", "name": "d"},
                      {"field": "tags", "name": "e"},
                      {"field": "tags", "name": "f"},
                      {"field": "tags", "name": "g"},
                      {"field": "tags", "name": "h"}]})");
  EXPECT_THAT(
      Aggregate(database_.database(), request,
                {.deadline = absl::Now() - absl::Seconds(1)}, &response),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Aggregate(database_.database(), request,
                        {.is_cancelled = [] { return true; }}, &response),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_OK(Aggregate(database_.database(), request, {}, &response));
}

TEST_F(AggregateTest, EveryMistakeIsReportedAtOnce) {
  EXPECT_THAT(
      Violations(R"({"filter": "modle = 1",
        "groupBy": [{"field": "modle"}, {"field": "tokens",
                     "bucket": "TIME_BUCKET_DAY"}, {"field": ""},
                    {"field": "tokens + 1"}, {"field": "model", "name": "Big"}],
        "aggregations": [
          {"name": "n", "function": "FUNCTION_COUNT"},
          {"name": "n", "function": "FUNCTION_SUM", "expression": "model"},
          {"name": "", "function": "FUNCTION_SUM"},
          {"name": "x", "expression": "cost"},
          {"name": "y", "function": "FUNCTION_SUM", "expression": "tokens +"},
          {"name": "z", "function": "FUNCTION_SUM", "expression": "tokens",
           "weight": "cost"},
          {"name": "tokens", "function": "FUNCTION_COUNT"}],
        "having": "nn > 3", "orderBy": "yy, z desc", "limit": -1,
        "parameters": {"unused": 1}})"),
      ElementsAre(
          Pair("filter",
               "column 1: no field \"modle\"; did you mean \"model\"?"),
          Pair("group_by[0].field",
               "column 1: no field \"modle\"; did you mean \"model\"?"),
          Pair("group_by[1].bucket",
               "goes with a timestamp; the field is an int"),
          Pair("group_by[2].field", "is empty; name a field"),
          Pair("group_by[3].name", "is empty; an expression needs one"),
          Pair("group_by[4].name", HasSubstr("is no name")),
          Pair("aggregations[1].name",
               "\"n\" is the name of aggregations[0]; give another"),
          Pair("aggregations[1].expression",
               "is a string; give a number, a duration or a condition"),
          Pair("aggregations[2].name", HasSubstr("is empty")),
          Pair("aggregations[2].expression",
               "is empty; only a count can be of nothing"),
          Pair("aggregations[3].function", HasSubstr("is not stated")),
          Pair("aggregations[4].expression", HasSubstr("column 9")),
          Pair("aggregations[5].weight", "goes with FUNCTION_AVG only"),
          Pair("aggregations[6].name",
               "\"tokens\" is the name of group_by[1]; give another"),
          Pair("having", "column 1: no field \"nn\"; did you mean \"n\"?"),
          Pair("order_by",
               "column 1: no key or figure \"yy\"; did you mean \"y\"?"),
          Pair("limit", "is negative; give 0 to 10000"),
          Pair("parameters.unused", "is used nowhere; leave it out")));
}

TEST_F(AggregateTest, SaysWhatAFunctionCannotBeOf) {
  const std::pair<std::string, std::string> cases[] = {
      {R"("function": "FUNCTION_SUM", "expression": "started_at")",
       "is a timestamp"},
      {R"("function": "FUNCTION_SUM", "expression": "tags")",
       "is a list of strings"},
      {R"("function": "FUNCTION_SUM", "expression": "meta")",
       "name what is meant inside the json"},
      {R"("function": "FUNCTION_AVG", "expression": "cost", "weight": "model")",
       "is a string"},
      {R"("function": "FUNCTION_MIN", "expression": "failed")", "is a bool"},
      {R"("function": "FUNCTION_MAX", "expression": "hash")", "is bytes"},
      {R"("function": "FUNCTION_COUNT", "expression": "cost > 1")",
       "is a condition, which always has a value"},
      {R"f("function": "FUNCTION_COUNT", "expression": "coalesce(cost, 0)")f",
       "always has a value"},
      {R"("function": "FUNCTION_COUNT_DISTINCT", "expression": "tags")",
       "group by it"},
      {R"("function": "FUNCTION_COUNT_DISTINCT")", "is empty"},
  };
  for (const auto& [figure, problem] : cases) {
    EXPECT_THAT(Violations(absl::StrCat(R"({"aggregations": [{"name": "x", )",
                                        figure, "}]}")),
                ElementsAre(Pair(::testing::StartsWith("aggregations[0]."),
                                 HasSubstr(problem))))
        << figure;
  }
}

TEST_F(AggregateTest, JsonIsANumberWhereOneIsWanted) {
  Create(R"("meta": {"n": 2, "w": 3})");
  Create(R"("meta": {"n": 4.5, "w": 1})");
  Create(R"("meta": {"n": "many"})");
  EXPECT_EQ(Figure("SUM", "meta.n"), R"({"it":6.5})");
  EXPECT_EQ(Figure("MAX", "meta.n"), R"({"it":4.5})");
  EXPECT_EQ(Figure("AVG", "meta.n", R"(, "weight": "meta.w")"),
            R"({"it":2.625})");
  EXPECT_EQ(Figure("COUNT", "meta.n"), R"({"it":3})");
}

TEST_F(AggregateTest, ABrokenExpressionIsNoMistakeOfHaving) {
  EXPECT_THAT(Violations(R"({"groupBy": [{"field": "tokns", "name": "tokens"}],
                     "having": "tokens > 5", "orderBy": "tokens"})"),
              ElementsAre(Pair("group_by[0].field", HasSubstr("tokns"))));
}

TEST_F(AggregateTest, KeysAndFiguresAreBounded) {
  std::string keys, figures;
  for (int i = 0; i < 33; ++i) {
    absl::StrAppend(&figures, i == 0 ? "" : ", ", R"({"name": "f)", i,
                    R"(", "function": "FUNCTION_COUNT"})");
    if (i < 9) {
      absl::StrAppend(&keys, i == 0 ? "" : ", ",
                      R"({"field": "model", "name": "k)", i, "\"}");
    }
  }
  EXPECT_THAT(
      Violations(absl::StrCat(R"({"groupBy": [)", keys,
                              R"(], "aggregations": [)", figures, "]}")),
      ElementsAre(
          Pair("group_by", "has 9 entries; at most 8 are allowed"),
          Pair("aggregations", "has 33 entries; at most 32 are allowed")));
  EXPECT_THAT(Violations("{}"),
              ElementsAre(Pair("aggregations", HasSubstr("is empty"))));
}

TEST_F(AggregateTest, ManyLongListsAreRefusedBeforeSqliteDoes) {
  std::string figures, list;
  for (int i = 0; i < 9000; ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ",", i, ".5");
  }
  for (int i = 0; i < 4; ++i) {
    absl::StrAppend(&figures, i == 0 ? "" : ", ", R"({"name": "f)", i,
                    R"(", "function": "FUNCTION_SUM", "expression":
                      "cost + )",
                    i, R"( IN :list"})");
  }
  EXPECT_THAT(
      Violations(absl::StrCat(R"({"parameters": {"list": [)", list,
                              R"(]}, "aggregations": [)", figures, "]}")),
      ElementsAre(Pair("aggregations", HasSubstr("too long"))));
}

TEST_F(AggregateTest, UnknownCollectionsAreNotFound) {
  EXPECT_THAT(Ask(R"({"collection": "cals", "groupBy": [{"field": "x"}]})"),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace engram::storage
