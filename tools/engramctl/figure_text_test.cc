#include "tools/engramctl/figure_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "libs/status/testing/status_matchers.h"

namespace engram::engramctl {
namespace {

using ::engram::testing::StatusIs;
using storage::v1::Aggregation;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

struct FigureCase {
  std::string text;
  std::string name;
  Aggregation::Function function;
  std::string expression;
  std::string weight = "";
};

TEST(FigureTextTest, ReadsFigures) {
  const FigureCase cases[] = {
      {"count()", "count", Aggregation::FUNCTION_COUNT, ""},
      {" n = count( ) ", "n", Aggregation::FUNCTION_COUNT, ""},
      {"count(email)", "count_email", Aggregation::FUNCTION_COUNT, "email"},
      {"sum(tokens)", "sum_tokens", Aggregation::FUNCTION_SUM, "tokens"},
      {"max(_update_time)", "max_update_time", Aggregation::FUNCTION_MAX,
       "_update_time"},
      {"kinds=distinct(kind)", "kinds", Aggregation::FUNCTION_COUNT_DISTINCT,
       "kind"},
      {"mean=avg(score, requests)", "mean", Aggregation::FUNCTION_AVG, "score",
       "requests"},
      {"x=avg(min(a, b), coalesce(w, 1))", "x", Aggregation::FUNCTION_AVG,
       "min(a, b)", "coalesce(w, 1)"},
      {R"(x=sum(kind = "a,)b" AND name = '\',('))", "x",
       Aggregation::FUNCTION_SUM, R"(kind = "a,)b" AND name = '\',(')"},
      {"least=min(a = b)", "least", Aggregation::FUNCTION_MIN, "a = b"},
  };
  for (const FigureCase& one : cases) {
    ASSERT_OK_AND_ASSIGN(const Aggregation figure, ParseFigure(one.text));
    EXPECT_EQ(figure.name(), one.name) << one.text;
    EXPECT_EQ(figure.function(), one.function) << one.text;
    EXPECT_EQ(figure.expression(), one.expression) << one.text;
    EXPECT_EQ(figure.weight(), one.weight) << one.text;
  }
}

TEST(FigureTextTest, SaysWhatIsNoFigure) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "no function"},
      {"tokens", "no function"},
      {"total(tokens)", "no function"},
      {"count", "parentheses"},
      {"sum(tokens", "parentheses"},
      {"sum(a + b)", "needs a name"},
      {"avg(score, weight)", "needs a name"},
      {"x=min(a, b)", "min takes one expression"},
      {"x=avg(a, b, c)", "and a weight"},
  };
  for (const auto& [text, problem] : cases) {
    EXPECT_THAT(ParseFigure(text), StatusIs(kInvalid, problem)) << text;
  }
}

TEST(FigureTextTest, ReadsGroupKeys) {
  ASSERT_OK_AND_ASSIGN(const auto plain, ParseGroupKey("model"));
  EXPECT_EQ(plain.field(), "model");
  EXPECT_EQ(plain.name(), "");
  EXPECT_EQ(plain.bucket(), storage::v1::TIME_BUCKET_UNSPECIFIED);
  ASSERT_OK_AND_ASSIGN(const auto day, ParseGroupKey("day=created_at:day"));
  EXPECT_EQ(day.field(), "created_at");
  EXPECT_EQ(day.name(), "day");
  EXPECT_EQ(day.bucket(), storage::v1::TIME_BUCKET_DAY);
  ASSERT_OK_AND_ASSIGN(const auto computed,
                       ParseGroupKey("at=coalesce(a, b):week"));
  EXPECT_EQ(computed.field(), "coalesce(a, b)");
  EXPECT_EQ(computed.bucket(), storage::v1::TIME_BUCKET_WEEK);
  // A parameter is no interval.
  ASSERT_OK_AND_ASSIGN(const auto parameter, ParseGroupKey("x=tokens > :day"));
  EXPECT_EQ(parameter.field(), "tokens > :day");
  EXPECT_EQ(parameter.bucket(), storage::v1::TIME_BUCKET_UNSPECIFIED);
  EXPECT_THAT(ParseGroupKey("created_at:decade"),
              StatusIs(kInvalid, "is no interval"));
}

}  // namespace
}  // namespace engram::engramctl
