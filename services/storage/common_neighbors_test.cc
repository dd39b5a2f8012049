#include "services/storage/common_neighbors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::ViolationsOf;

class CommonNeighborsTest : public testing::GraphTest {
 protected:
  // Each other as `<id> <neighbors>: <shared>...`, with `=` if it is linked.
  static std::vector<std::string> OthersOf(
      const absl::StatusOr<v1::GetCommonNeighborsResponse>& response) {
    if (!response.ok()) return {response.status().ToString()};
    std::vector<std::string> others;
    for (const v1::CommonNeighbors& other : response->others()) {
      std::string text = absl::StrCat(other.id(), other.linked() ? "=" : "",
                                      " ", other.neighbors(), ":");
      for (const v1::NodeDegree& shared : other.shared()) {
        absl::StrAppend(&text, " ", shared.id());
      }
      EXPECT_EQ(other.shared_neighbors(), other.shared_size());
      others.push_back(text);
    }
    return others;
  }
};

TEST_F(CommonNeighborsTest, ComparesWithOthersInTheirOrder) {
  Link({"a -> x", "a -> y", "z -> a", "b -> x", "y -> b", "a -> b", "c -> w"});
  ASSERT_OK_AND_ASSIGN(const auto response,
                       Common("id: 'a' others: ['c', 'b', 'x', 'nobody']"));
  EXPECT_EQ(response.neighbors(), 4);
  EXPECT_THAT(OthersOf(response),
              ElementsAre("c 1:", "b= 3: x y", "x= 2: b", "nobody 0:"));
  EXPECT_FALSE(response.truncated());
  EXPECT_EQ(response.position(), db_.database().NewestPosition().ToString());
}

TEST_F(CommonNeighborsTest, TellsTheDegreesOfWhatIsSharedAndAdamicAdar) {
  Link({"a -> x", "b -> x", "1: a -> y", "2: y -> b", "3: y -> c", "4: d -> y",
        "5: y -> y", "6: a -> y"});
  ASSERT_OK_AND_ASSIGN(const auto response, Common("id: 'a' others: 'b'"));
  ASSERT_EQ(response.others_size(), 1);
  const v1::CommonNeighbors& b = response.others(0);
  ASSERT_EQ(b.shared_size(), 2);
  EXPECT_EQ(b.shared(0).id(), "x");
  EXPECT_EQ(b.shared(0).edges_in(), 2);
  EXPECT_EQ(b.shared(0).neighbors(), 2);
  EXPECT_EQ(b.shared(1).id(), "y");
  EXPECT_EQ(b.shared(1).edges_out(), 3);
  EXPECT_EQ(b.shared(1).edges_in(), 4);
  EXPECT_EQ(b.shared(1).neighbors(), 4);
  EXPECT_THAT(b.adamic_adar(), DoubleEq(1 / std::log(2.0) + 1 / std::log(4.0)));
}

TEST_F(CommonNeighborsTest, SuggestsWhatSharesMostThenById) {
  Link({"a -> x", "a -> y", "a -> z", "q -> x", "y -> q", "p -> x", "y -> p",
        "z -> r", "x -> a", "a -> linked", "linked -> x", "x -> y"});
  ASSERT_OK_AND_ASSIGN(const auto response, Common("id: 'a'"));
  EXPECT_THAT(OthersOf(response),
              ElementsAre("p 2: x y", "q 2: x y", "r 1: z"));
  EXPECT_FALSE(response.truncated());
  for (const v1::CommonNeighbors& other : response.others()) {
    EXPECT_FALSE(other.linked());
  }
  ASSERT_OK_AND_ASSIGN(const auto two, Common("id: 'a' limit: 2"));
  EXPECT_THAT(OthersOf(two), ElementsAre("p 2: x y", "q 2: x y"));
  EXPECT_TRUE(two.truncated());
  ASSERT_OK_AND_ASSIGN(const auto three, Common("id: 'a' limit: 3"));
  EXPECT_FALSE(three.truncated());
}

TEST_F(CommonNeighborsTest, TrianglesAreLinkedNodesThatShare) {
  Link({"a -> b", "b -> c", "c -> a", "c -> d", "d -> a", "a -> e"});
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      Common("id: 'a' others: 'b' others: 'c' others: 'd' others: 'e'"));
  int64_t corners = 0;
  for (const v1::CommonNeighbors& other : response.others()) {
    if (other.linked()) corners += other.shared_neighbors();
  }
  // a b c, and a c d: each counted at both of its other corners.
  EXPECT_EQ(corners / 2, 2);
}

TEST_F(CommonNeighborsTest, AnEdgeToItselfIsNoNeighbour) {
  Link({"a -> a", "a -> x", "x -> x", "b -> x", "b -> b"});
  EXPECT_THAT(OthersOf(Common("id: 'a'")), ElementsAre("b 1: x"));
}

TEST_F(CommonNeighborsTest, CountsSomeEdgesOnly) {
  Link({"a -k-> x", "b -k-> x", "a -m-> y", "c -m-> y", "c -k-> x"});
  EXPECT_THAT(OthersOf(Common("id: 'a' kinds: 'm'")), ElementsAre("c 1: y"));
  EXPECT_THAT(OthersOf(Common("id: 'a' edge_filter: 'a != \"c\"'")),
              ElementsAre("b 1: x"));
}

TEST_F(CommonNeighborsTest, ANodeWithoutEdgesSharesNothing) {
  ASSERT_OK_AND_ASSIGN(const auto response, Common("id: 'nobody'"));
  EXPECT_EQ(response.neighbors(), 0);
  EXPECT_THAT(response.others(), IsEmpty());
}

TEST_F(CommonNeighborsTest, NamesAThousandOfWhatIsSharedAndCountsAll) {
  std::vector<std::string> edges;
  for (int i = 1000; i < 2100; ++i) {
    edges.push_back(absl::StrCat("a -> n", i));
    edges.push_back(absl::StrCat("b -> n", i));
  }
  Link(edges);
  ASSERT_OK_AND_ASSIGN(const auto response, Common("id: 'a'"));
  ASSERT_EQ(response.others_size(), 1);
  const v1::CommonNeighbors& b = response.others(0);
  EXPECT_EQ(b.shared_neighbors(), 1100);
  EXPECT_THAT(b.shared(), SizeIs(1000));
  EXPECT_EQ(b.shared(999).id(), "n1999");
  EXPECT_NEAR(b.adamic_adar(), 1100 / std::log(2.0), 1e-6);
  EXPECT_FALSE(response.truncated());
}

TEST_F(CommonNeighborsTest, LeavesOutWhatItMayNotLookAt) {
  Link({"a -> x", "b -> x", "c -> x", "d -> x"});
  // a's edge, b's, and x's four.
  limits_.edges = 6;
  ASSERT_OK_AND_ASSIGN(const auto response,
                       Common("id: 'a' others: ['b', 'c', 'd']"));
  EXPECT_THAT(OthersOf(response), ElementsAre("b 1: x"));
  EXPECT_TRUE(response.truncated());
  limits_.edges = 5;
  ASSERT_OK_AND_ASSIGN(const auto none,
                       Common("id: 'a' others: ['b', 'c', 'd']"));
  EXPECT_THAT(none.others(), IsEmpty());
  EXPECT_TRUE(none.truncated());
}

TEST_F(CommonNeighborsTest, WhatItSaysOfASuggestionIsExactWhenItIsTruncated) {
  Link({"a -> x", "a -> y", "b -> x", "b -> y", "c -> x"});
  // a's two edges and x's three; y's are not looked at when counting.
  limits_.edges = 5;
  ASSERT_OK_AND_ASSIGN(const auto response, Common("id: 'a' limit: 1"));
  EXPECT_THAT(OthersOf(response), ElementsAre("b 2: x y"));
  EXPECT_TRUE(response.truncated());
}

TEST_F(CommonNeighborsTest, OfAPartOfItsNeighboursNothingFollows) {
  Link({"a -> x", "a -> y", "b -> x", "b -> y"});
  limits_.edges = 1;
  ASSERT_OK_AND_ASSIGN(const auto response, Common("id: 'a'"));
  EXPECT_THAT(response.others(), IsEmpty());
  EXPECT_TRUE(response.truncated());
  limits_.edges = 100;
  limits_.held_bytes = 70;  // One node.
  ASSERT_OK_AND_ASSIGN(const auto small, Common("id: 'a'"));
  EXPECT_THAT(small.others(), IsEmpty());
  EXPECT_TRUE(small.truncated());
}

TEST_F(CommonNeighborsTest, AnAnswerHoldsSoManyBytes) {
  std::vector<std::string> edges = {"a -> x"};
  for (int i = 100; i < 200; ++i)
    edges.push_back(absl::StrCat("n", i, " -> x"));
  Link(edges);
  limits_.answer_bytes = 500;
  ASSERT_OK_AND_ASSIGN(const auto response, Common("id: 'a'"));
  EXPECT_GT(response.others_size(), 5);
  EXPECT_EQ(response.others(5).id(), "n105");
  EXPECT_LT(response.ByteSizeLong(), 600);
  EXPECT_TRUE(response.truncated());
}

TEST_F(CommonNeighborsTest, ReportsEveryMistakeOfARequest) {
  EXPECT_THAT(
      ViolationsOf(
          Common("others: ['a', ''] limit: -1 edge_filter: 'x'").status()),
      ElementsAre(Pair("id", "is empty; give a node's id"),
                  Pair("others[1]", "is empty; give a node's id"),
                  Pair("limit", "is negative; give 0 to 1000"),
                  Pair("edge_filter", HasSubstr("no field \"x\""))));
  EXPECT_THAT(ViolationsOf(Common("id: 'a' others: ['b', 'a']").status()),
              ElementsAre(Pair("others[1]", HasSubstr("is the node itself"))));
  const auto status =
      Call<v1::GetCommonNeighborsRequest, v1::GetCommonNeighborsResponse>(
          storage::GetCommonNeighbors, "collection: 'places' id: 'a'")
          .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_ATTRIBUTE_MISSING);
}

}  // namespace
}  // namespace engram::storage
