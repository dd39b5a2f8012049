#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

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

class WatchCliTest : public testing::CliFixture {
 protected:
  void SetUp() override {
    CreateNotes();
    Put(R"({"id":"n1","title":"Tea"})");
    Put(R"({"id":"n1","title":"Coffee","stars":5})");
    Put(R"({"id":"n2","title":"Ink"})");
    ASSERT_EQ(Engramctl({"delete", "notes", "n2"}), 0);
  }

  void Put(const std::string& record) {
    ASSERT_EQ(Engramctl({"put", "notes", record}), 0) << errors_;
  }

  std::vector<std::string> Lines() {
    return absl::StrSplit(output_, '\n', absl::SkipEmpty());
  }
};

TEST_F(WatchCliTest, PrintsALineAChange) {
  ASSERT_EQ(Engramctl({"watch", "--all", "--until-current"}), 0) << errors_;
  EXPECT_THAT(
      Lines(),
      ElementsAre(ContainsRegex("^20..-.*Z 1 collection created notes$"),
                  ContainsRegex(" 2 created notes/n1 title: Tea$"),
                  AllOf(ContainsRegex(" 3 changed notes/n1 stars: > 5"),
                        HasSubstr("title: Te")),
                  ContainsRegex(" 4 created notes/n2 title: Ink$"),
                  ContainsRegex(" 5 deleted notes/n2$")));
}

TEST_F(WatchCliTest, JsonHasPositionsAndBothRecords) {
  ASSERT_EQ(Engramctl({"watch", "notes", "--all", "--until-current", "--json"}),
            0);
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 5);
  output_ = lines[2];
  const auto change = Json().fields();
  EXPECT_EQ(change.at("what").string_value(), "changed");
  EXPECT_THAT(change.at("position").string_value(), HasSubstr(".3"));
  EXPECT_THAT(lines[2], HasSubstr(R"("before":{"id":"n1","fields":)"
                                  R"({"title":"Tea"},"version":1)"));
  EXPECT_THAT(lines[2], HasSubstr(R"("changed_fields":["stars","title"])"));
  // From there on.
  ASSERT_EQ(Engramctl({"watch", "--after", change.at("position").string_value(),
                       "--until-current", "--json"}),
            0);
  EXPECT_EQ(Lines().size(), 2);
}

TEST_F(WatchCliTest, WithoutAPositionItBeginsNow) {
  ASSERT_EQ(Engramctl({"watch", "--until-current"}), 0);
  EXPECT_THAT(output_, IsEmpty());
}

TEST_F(WatchCliTest, ATimeoutEndsItWell) {
  ASSERT_EQ(Engramctl({"watch", "--timeout", "50ms"}), 0) << errors_;
  EXPECT_THAT(output_, IsEmpty());
}

TEST_F(WatchCliTest, OtherCollectionsAreLeftOut) {
  ASSERT_EQ(Engramctl({"watch", "others", "--all", "--until-current"}), 0);
  EXPECT_THAT(output_, IsEmpty());
}

TEST_F(WatchCliTest, AFollowerGoesOnWhereItStopped) {
  ASSERT_EQ(
      Engramctl({"watch", "--all", "--until-current", "--follower", "audit"}),
      0)
      << errors_;
  EXPECT_EQ(Lines().size(), 5);
  Put(R"({"id":"n3","title":"Pen"})");
  ASSERT_EQ(Engramctl({"follower", "list"}), 0);
  EXPECT_THAT(output_, ContainsRegex("audit +default@.*\\.5 +1 .*follows"));
  const std::vector<std::string> again = {"watch", "--until-current",
                                          "--follower", "audit"};
  ASSERT_EQ(Engramctl(again), 0);
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr("notes/n3")));
  ASSERT_EQ(Engramctl(again), 0);
  EXPECT_THAT(output_, IsEmpty());
  ASSERT_EQ(Engramctl({"follower", "list", "--json"}), 0);
  EXPECT_THAT(output_,
              AllOf(StartsWith(R"({"name":"audit","position":)"),
                    HasSubstr(R"("lag":0)"), HasSubstr(R"("pruned":false)")));
  ASSERT_EQ(Engramctl({"follower", "remove", "audit"}), 0);
  EXPECT_EQ(output_, "removed audit\n");
  EXPECT_EQ(Engramctl({"follower", "remove", "audit"}), 1);
  EXPECT_THAT(errors_, HasSubstr("FOLLOWER_UNKNOWN"));
}

TEST_F(WatchCliTest, ABadPositionIsExplained) {
  EXPECT_EQ(Engramctl({"watch", "--after", "yesterday"}), 1);
  EXPECT_THAT(errors_, HasSubstr("after_position"));
  EXPECT_EQ(Engramctl({"watch", "--after", "x", "--all"}), 2);
}

}  // namespace
}  // namespace engram::engramctl
