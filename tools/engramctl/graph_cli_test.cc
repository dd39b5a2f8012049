#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

constexpr char kPeople[] = R"(
collection: people
id: required
fields:
  name: {type: string}
  age:  {type: int}
)";
constexpr char kKnows[] = R"(
collection: knows
fields:
  who:  {type: ref(people)}
  whom: {type: ref(people)}
  how:  {type: string}
  since: {type: int}
edges: {source: who, target: whom, kind: how}
)";

class GraphCliTest : public testing::CliFixture {
 protected:
  void SetUp() override {
    Apply(kPeople);
    Apply(kKnows);
    ASSERT_EQ(Engramctl({"import", "people", "-"},
                        R"({"id": "ada", "name": "Ada", "age": 36}
{"id": "bob", "name": "Bob", "age": 50}
{"id": "cyd", "name": "Cyd", "age": 20}
{"id": "dee", "name": "Dee", "age": 41}
)"),
              0)
        << errors_;
    ASSERT_EQ(
        Engramctl(
            {"import", "knows", "-"},
            R"({"id": "1", "who": "ada", "whom": "bob", "how": "work", "since": 2001}
{"id": "2", "who": "ada", "whom": "cyd", "how": "play", "since": 2015}
{"id": "3", "who": "bob", "whom": "dee", "how": "work", "since": 1999}
{"id": "4", "who": "cyd", "whom": "dee", "how": "play", "since": 2020}
)"),
        0)
        << errors_;
  }
};

TEST_F(GraphCliTest, ListsNeighbours) {
  EXPECT_EQ(
      Engramctl({"graph", "neighbors", "knows", "ada", "--fields", "name,age"}),
      0)
      << errors_;
  EXPECT_EQ(output_,
            "ID   FROM  name  age\n"
            "bob  ada   Bob   50\n"
            "cyd  ada   Cyd   20\n");
  EXPECT_EQ(Engramctl({"graph", "neighbors", "knows", "dee", "--direction",
                       "in", "--kind", "work"}),
            0);
  EXPECT_EQ(output_,
            "ID   FROM\n"
            "bob  dee\n");
  EXPECT_EQ(Engramctl({"graph", "neighbors", "knows", "dee"}), 0);
  EXPECT_THAT(output_, IsEmpty());
  EXPECT_EQ(errors_, "no nodes found\n");
}

TEST_F(GraphCliTest, WalksWithFiltersAndEdges) {
  EXPECT_EQ(Engramctl({"graph", "walk", "knows", "ada", "--edge-filter",
                       "since >= :year", "--node-filter", "age < :age",
                       "--param", "year=2000", "--param", "age=45",
                       "--edge-fields", "since", "--fields", "*"}),
            0)
      << errors_;
  EXPECT_EQ(output_,
            "DEPTH  ID   FROM  age  name\n"
            "    1  cyd  ada   20   Cyd\n"
            "    2  dee  cyd   41   Dee\n"
            "\n"
            "EDGE  SOURCE  KIND  TARGET  since\n"
            "2     ada     play  cyd     2015\n"
            "4     cyd     play  dee     2020\n");
  EXPECT_EQ(Engramctl({"graph", "walk", "knows", "ada", "--limit", "1"}), 0);
  EXPECT_EQ(errors_, "there is more than is shown (--limit, at most 10000)\n");
}

TEST_F(GraphCliTest, PrintsAWalkAsOneObject) {
  EXPECT_EQ(Engramctl({"graph", "walk", "knows", "cyd", "--direction", "both",
                       "--depth", "1", "--edges", "--fields", "age", "--json"}),
            0)
      << errors_;
  EXPECT_THAT(
      output_,
      StartsWith(
          R"({"nodes":[{"id":"ada","depth":1,"from":"cyd","fields":{"age":36}},)"
          R"({"id":"dee","depth":1,"from":"cyd","fields":{"age":41}}],)"
          R"("edges":[{"id":"2","source":"ada","target":"cyd","kind":"play"},)"
          R"({"id":"4","source":"cyd","target":"dee","kind":"play"}],)"
          R"("truncated":false,"position":"default@)"));
}

TEST_F(GraphCliTest, CountsDegrees) {
  EXPECT_EQ(Engramctl({"graph", "degree", "knows", "bob", "dee", "nobody"}), 0);
  EXPECT_EQ(output_,
            "ID      OUT  IN  NEIGHBORS\n"
            "bob       1   1          2\n"
            "dee       0   2          2\n"
            "nobody    0   0          0\n");
  EXPECT_EQ(Engramctl({"graph", "degree", "knows", "ada", "--kind", "work",
                       "--json"}),
            0);
  EXPECT_EQ(output_, R"({"id":"ada","edges_out":1,"edges_in":0,"neighbors":1})"
                     "\n");
}

TEST_F(GraphCliTest, SuggestsAndComparesNeighbours) {
  EXPECT_EQ(Engramctl({"graph", "common", "knows", "ada"}), 0);
  EXPECT_EQ(output_,
            "ID   LINKED  NEIGHBORS  SHARED  ADAMIC-ADAR  THROUGH\n"
            "dee  no              2       2        2.885  bob, cyd\n");
  EXPECT_EQ(Engramctl({"graph", "common", "knows", "ada", "bob", "--json"}), 0);
  EXPECT_THAT(
      output_,
      StartsWith(R"({"neighbors":2,"others":[{"id":"bob","linked":true,)"
                 R"("neighbors":2,"shared_neighbors":0,"adamic_adar":0,)"
                 R"("shared":[]}],"truncated":false,"position":"default@)"));
  EXPECT_EQ(Engramctl({"graph", "common", "knows", "nobody"}), 0);
  EXPECT_EQ(errors_, "no node shares a neighbour with nobody\n");
}

TEST_F(GraphCliTest, SaysWhatIsWrong) {
  EXPECT_EQ(Engramctl({"graph", "neighbors", "people", "ada"}), 1);
  EXPECT_THAT(errors_, AllOf(HasSubstr("ATTRIBUTE_MISSING"),
                             HasSubstr("declares no `edges`")));
  EXPECT_EQ(Engramctl({"graph", "walk", "knows", "ada", "--edge-filter",
                       "sinse > 1"}),
            1);
  EXPECT_THAT(errors_, HasSubstr("did you mean \"since\"?"));
  EXPECT_EQ(Engramctl({"graph", "walk", "knows", "ada", "--direction", "up"}),
            2);
  EXPECT_EQ(Engramctl({"graph", "walk", "knows", "ada", "--depth", "17"}), 2);
  EXPECT_EQ(Engramctl({"graph"}), 2);
}

}  // namespace
}  // namespace engram::engramctl
