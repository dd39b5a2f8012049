// agg and versions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kCalls[] = R"(
collection: calls
fields:
  model:  {type: string}
  tokens: {type: int}
  cost:   {type: double}
  tags:   {type: strings}
  at:     {type: timestamp}
history: true
)";

class FiguresCliTest : public testing::CliFixture {
 protected:
  void CreateCalls() {
    Apply(kCalls);
    for (const char* record :
         {R"({"id":"1","model":"a","tokens":1200,"cost":0.5,"tags":["x","y"],
             "at":"2026-02-03T04:05:06Z"})",
          R"({"id":"2","model":"b","tokens":"9007199254740993","cost":0.125,
             "at":"2026-02-03T23:00:00Z"})",
          R"({"id":"3","model":"a","tokens":34,"tags":["x"],
             "at":"2026-02-04T00:00:00Z"})",
          R"({"id":"4","cost":2})"}) {
      ASSERT_EQ(Engramctl({"put", "calls", "-"}, record), 0) << errors_;
    }
  }
};

TEST_F(FiguresCliTest, ShowsGroupsWithNumbersAtTheRight) {
  CreateCalls();
  EXPECT_EQ(Engramctl({"agg", "calls"}), 0) << errors_;
  EXPECT_EQ(output_, "count\n    4\n");
  EXPECT_EQ(
      Engramctl({"agg", "calls", "--by", "model", "n=count()", "sum(tokens)",
                 "mean=avg(cost / 3)", "--order-by", "n desc"}),
      0)
      << errors_;
  EXPECT_EQ(output_,
            "model  n             sum_tokens    mean\n"
            "a      2                  1,234  0.1667\n"
            "-      1                      -  0.6667\n"
            "b      1  9,007,199,254,740,993  0.0417\n");
  EXPECT_EQ(
      Engramctl({"agg", "calls", "--by", "day=at:day", "count()", "--filter",
                 "at > :since", "--param", "since=2026-01-01T00:00:00Z"}),
      0)
      << errors_;
  EXPECT_EQ(output_,
            "day         count\n"
            "2026-02-03      2\n"
            "2026-02-04      1\n");
  EXPECT_EQ(Engramctl({"agg", "calls", "--by", "at:hour", "--having",
                       "at < \"2026-02-03T05:00:00Z\""}),
            0)
      << errors_;
  EXPECT_EQ(output_, "at                 count\n2026-02-03T04:00Z      1\n");
}

TEST_F(FiguresCliTest, PrintsOneRowALineAsJson) {
  CreateCalls();
  EXPECT_EQ(Engramctl({"agg", "calls", "--by", "tag=tags", "sum(cost)",
                       "--limit", "1", "--json"}),
            0)
      << errors_;
  EXPECT_EQ(output_, "{\"sum_cost\":0.5,\"tag\":\"x\"}\n");
  EXPECT_THAT(errors_, HasSubstr("more groups"));
}

TEST_F(FiguresCliTest, SaysWhatIsWrongWithFigures) {
  CreateCalls();
  EXPECT_EQ(Engramctl({"agg", "calls", "tokens"}), 1);
  EXPECT_THAT(errors_, HasSubstr("sum(cost)"));
  EXPECT_EQ(Engramctl({"agg", "calls", "--by", "modle", "sum(tokns)"}), 1);
  EXPECT_THAT(errors_, AllOf(HasSubstr("did you mean \"model\"?"),
                             HasSubstr("did you mean \"tokens\"?")));
}

TEST_F(FiguresCliTest, ListsVersionsWithWhatChanged) {
  Apply(kCalls);
  for (const char* record :
       {R"({"id":"1","model":"a"})", R"({"id":"1","tokens":5,"cost":1})",
        R"({"id":"1","model":null})"}) {
    ASSERT_EQ(Engramctl({"put", "calls", "-"}, record), 0) << errors_;
  }
  ASSERT_EQ(Engramctl({"delete", "calls", "1"}), 0);
  ASSERT_EQ(Engramctl({"put", "calls", R"({"id":"1","model":"z"})"}), 0);
  EXPECT_EQ(Engramctl({"versions", "calls", "1"}), 0) << errors_;
  const std::vector<std::string> lines = absl::StrSplit(output_, '\n');
  EXPECT_THAT(
      lines, ElementsAre(
                 ContainsRegex("VERSION +WRITTEN +ENDED +CHANGED"),
                 ContainsRegex("^ +1 +20[0-9TZ:.-]+ +\\(created\\)$"),
                 ContainsRegex("^ +3 .* deleted 20[^ ]+ +model$"),
                 ContainsRegex("^ +2 .* changed 20[^ ]+ +cost, tokens$"),
                 ContainsRegex("^ +1 .* changed 20[^ ]+ +\\(created\\)$"), ""));

  EXPECT_EQ(Engramctl({"versions", "calls", "1", "--fields", "model,cost",
                       "--limit", "2"}),
            0);
  EXPECT_THAT(output_, AllOf(ContainsRegex("ENDED +model +cost\n"),
                             ContainsRegex("\n +3 .* 1\n$")));
  EXPECT_THAT(errors_, HasSubstr("older"));

  EXPECT_EQ(Engramctl({"versions", "calls", "1", "--json", "--limit", "2"}), 0);
  const std::vector<std::string> objects = absl::StrSplit(output_, '\n');
  EXPECT_THAT(
      objects,
      ElementsAre(
          StartsWith(R"({"id":"1","fields":{"model":"z"},"version":1,)"),
          AllOf(StartsWith(
                    R"({"id":"1","fields":{"cost":1,"tokens":5},"version":3,)"),
                HasSubstr(R"("deleted":true,"changed":["model"]})")),
          ""));
  EXPECT_EQ(Engramctl({"versions", "calls", "2"}), 1);
  EXPECT_THAT(errors_, HasSubstr("RECORD_UNKNOWN"));
}

}  // namespace
}  // namespace engram::engramctl
