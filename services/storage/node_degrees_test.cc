#include "services/storage/node_degrees.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/graph_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using testing::ViolationsOf;

class NodeDegreesTest : public testing::GraphTest {
 protected:
  // Each degree as `<id> <out> <in> <neighbors>`.
  static std::vector<std::string> DegreesOf(
      const absl::StatusOr<v1::GetDegreesResponse>& response) {
    if (!response.ok()) return {response.status().ToString()};
    std::vector<std::string> degrees;
    for (const v1::NodeDegree& degree : response->degrees()) {
      degrees.push_back(absl::StrCat(degree.id(), " ", degree.edges_out(), " ",
                                     degree.edges_in(), " ",
                                     degree.neighbors()));
    }
    return degrees;
  }
};

TEST_F(NodeDegreesTest, CountsEdgesAndNeighboursInTheOrderAskedFor) {
  Link({"a -> b", "a -> c", "d -> a"});
  EXPECT_THAT(DegreesOf(Degrees("ids: ['d', 'a', 'nobody', 'a']")),
              ElementsAre("d 1 0 1", "a 2 1 3", "nobody 0 0 0", "a 2 1 3"));
}

TEST_F(NodeDegreesTest, SeveralEdgesToOneNodeAreOneNeighbour) {
  Link({"1: a -x-> b", "2: a -y-> b", "3: a -x-> b", "4: b -x-> a"});
  EXPECT_THAT(DegreesOf(Degrees("ids: 'a'")), ElementsAre("a 3 1 1"));
}

TEST_F(NodeDegreesTest, AnEdgeToItselfCountsBothWaysAndIsNoNeighbour) {
  Link({"a -> a", "a -> b"});
  EXPECT_THAT(DegreesOf(Degrees("ids: 'a'")), ElementsAre("a 2 1 1"));
}

TEST_F(NodeDegreesTest, CountsSomeEdgesOnly) {
  Link({"a -x-> b", "a -y-> c", "d -x-> a", "e -> a"});
  EXPECT_THAT(DegreesOf(Degrees("ids: 'a' kinds: 'x'")),
              ElementsAre("a 1 1 2"));
  EXPECT_THAT(DegreesOf(Degrees("ids: 'a' edge_filter: 'b != \"c\"'")),
              ElementsAre("a 1 2 3"));
  Delete("links", "d-a");
  EXPECT_THAT(DegreesOf(Degrees("ids: 'a'")), ElementsAre("a 2 1 3"));
}

TEST_F(NodeDegreesTest, AnswersWithThePosition) {
  Link({"a -> b"});
  ASSERT_OK_AND_ASSIGN(const auto response, Degrees("ids: 'a'"));
  EXPECT_EQ(response.position(), db_.database().NewestPosition().ToString());
}

TEST_F(NodeDegreesTest, CountsAllEdgesOrNone) {
  Link({"a -> b", "a -> c", "a -> d"});
  limits_.edges = 1;
  limits_.counted_edges = 4;
  EXPECT_THAT(DegreesOf(Degrees("ids: ['a', 'b']")),
              ElementsAre("a 3 0 3", "b 0 1 1"));
  limits_.counted_edges = 3;
  EXPECT_THAT(Degrees("ids: ['a', 'b']"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "up to \"b\" have more than 3 edges; ask for fewer"));
}

TEST_F(NodeDegreesTest, ANodeWithMoreNeighboursThanFitIsRefused) {
  Link({"a -> b", "a -> c", "a -> d"});
  limits_.held_bytes = 150;  // Two neighbours.
  EXPECT_THAT(Degrees("ids: ['b', 'a']"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "node \"a\" has more neighbours"));
  EXPECT_THAT(DegreesOf(Degrees("ids: 'a' edge_filter: 'b != \"d\"'")),
              ElementsAre("a 2 0 2"));
}

TEST_F(NodeDegreesTest, ReportsEveryMistakeOfARequest) {
  EXPECT_THAT(ViolationsOf(Degrees("edge_filter: 'x = 1' parameters { fields { "
                                   "key: 'y' value { bool_value: true } } }")
                               .status()),
              ElementsAre(Pair("ids", "has 0 entries; give 1 to 1000"),
                          Pair("edge_filter", HasSubstr("no field \"x\"")),
                          Pair("parameters.y", HasSubstr("used nowhere"))));
  EXPECT_THAT(ViolationsOf(Degrees("ids: ['a', '']").status()),
              ElementsAre(Pair("ids[1]", "is empty; give a node's id")));
  const auto status = Call<v1::GetDegreesRequest, v1::GetDegreesResponse>(
                          storage::GetDegrees, "collection: 'places' ids: 'a'")
                          .status();
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_ATTRIBUTE_MISSING);
}

}  // namespace
}  // namespace engram::storage
