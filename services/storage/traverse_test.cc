#include "services/storage/traverse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/graph_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using testing::ViolationsOf;

class TraverseTest : public testing::GraphTest {};

TEST_F(TraverseTest, FindsNeighboursByDirection) {
  Link({"a -> c", "a -> b", "d -> a", "c -> e"});
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' direction: DIRECTION_OUT")),
              ElementsAre("1 b < a", "1 c < a"));
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' direction: DIRECTION_IN")),
              ElementsAre("1 d < a"));
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' direction: DIRECTION_BOTH")),
              ElementsAre("1 b < a", "1 c < a", "1 d < a"));
  EXPECT_EQ(NodesOf(TraverseLinks("start: 'a'")),
            NodesOf(TraverseLinks("start: 'a' direction: DIRECTION_OUT")));
}

TEST_F(TraverseTest, WalksNearestFirstThenById) {
  Link({"a -> z", "a -> y", "z -> m", "y -> x", "y -> z", "m -> b"});
  EXPECT_THAT(
      NodesOf(TraverseLinks("start: 'a' max_depth: 3")),
      ElementsAre("1 y < a", "1 z < a", "2 m < z", "2 x < y", "3 b < m"));
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' max_depth: 2")), SizeIs(4));
}

TEST_F(TraverseTest, FromIsTheSmallestOfTheNodesBefore) {
  Link({"s -> q", "s -> p", "s -> r", "r -> t", "q -> t", "p -> u", "q -> u"});
  EXPECT_THAT(
      NodesOf(TraverseLinks("start: 's' max_depth: 2")),
      ElementsAre("1 p < s", "1 q < s", "1 r < s", "2 t < q", "2 u < p"));
}

TEST_F(TraverseTest, StartNodesAreNeverAmongTheNodes) {
  Link({"a -> b", "b -> a", "a -> a", "b -> c", "c -> a"});
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' max_depth: 16")),
              ElementsAre("1 b < a", "2 c < b"));
  EXPECT_THAT(
      NodesOf(TraverseLinks("start: ['b', 'a', 'b', 'unknown'] max_depth: 16")),
      ElementsAre("1 c < b"));
}

TEST_F(TraverseTest, AnUnknownNodeHasNoEdges) {
  Link({"a -> b"});
  ASSERT_OK_AND_ASSIGN(const auto response,
                       TraverseLinks("start: 'nobody' with_edges: true"));
  EXPECT_THAT(response.nodes(), IsEmpty());
  EXPECT_THAT(response.edges(), IsEmpty());
  EXPECT_FALSE(response.truncated());
  EXPECT_EQ(response.position(), db_.database().NewestPosition().ToString());
}

TEST_F(TraverseTest, SeveralEdgesBetweenTwoNodesAreOneStep) {
  Link({"1: a -x-> b", "2: a -y-> b", "3: b -x-> a"});
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' direction: DIRECTION_BOTH")),
              ElementsAre("1 b < a"));
}

TEST_F(TraverseTest, FollowsEdgesOfSomeKinds) {
  Link({"a -likes-> b", "a -knows-> c", "a -> d", "b -knows-> e"});
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' kinds: 'likes' max_depth: 2")),
              ElementsAre("1 b < a"));
  EXPECT_THAT(
      NodesOf(TraverseLinks("start: 'a' kinds: ['likes', 'knows', 'likes'] "
                            "max_depth: 2")),
      ElementsAre("1 b < a", "1 c < a", "2 e < b"));
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' kinds: 'Likes'")), IsEmpty());
  // More than an SQL list takes.
  std::string kinds = "kinds: 'knows'";
  for (int i = 0; i < 99; ++i) absl::StrAppend(&kinds, " kinds: 'k", i, "'");
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'a' " + kinds)),
              ElementsAre("1 c < a"));
}

TEST_F(TraverseTest, FiltersEdges) {
  Put("links", "1", R"({"a": "s", "b": "p", "kind": "x", "weight": 5})");
  Put("links", "2", R"({"a": "s", "b": "q", "kind": "y", "weight": 5})");
  Put("links", "3", R"({"a": "s", "b": "r", "kind": "x", "weight": 1})");
  const std::string least =
      "parameters { fields { key: 'least' value { number_value: 2 } } }";
  EXPECT_THAT(NodesOf(TraverseLinks(
                  "start: 's' edge_filter: 'weight >= :least' " + least)),
              ElementsAre("1 p < s", "1 q < s"));
  EXPECT_THAT(
      NodesOf(TraverseLinks(
          "start: 's' kinds: 'x' edge_filter: 'weight >= :least' " + least)),
      ElementsAre("1 p < s"));
  EXPECT_THAT(NodesOf(TraverseLinks(
                  "start: 's' edge_filter: 'weight = 1 OR kind = \"y\"'")),
              ElementsAre("1 q < s", "1 r < s"));
}

TEST_F(TraverseTest, AFilterMayBeAsDeepAsTheLanguageLetsIt) {
  Link({"a -x-> b"});
  std::string filter = "weight = 1";
  for (int i = 0; i < 30; ++i) {
    filter = absl::StrCat("NOT (", filter, " AND weight > 5)");
  }
  EXPECT_THAT(NodesOf(TraverseLinks(absl::StrCat(
                  "start: 'a' kinds: 'x' edge_filter: '", filter, "'"))),
              ElementsAre("1 b < a"));
}

// Places p1 to p5 in a row, and one beside it.
class RoadsTest : public TraverseTest {
 protected:
  void SetUp() override {
    TraverseTest::SetUp();
    for (int i = 1; i <= 6; ++i) {
      Put("places", absl::StrCat("p", i),
          absl::StrCat(R"({"name": "Place )", i, R"("})"));
    }
    for (int i = 1; i < 5; ++i) AddRoad(i, i + 1);
    AddRoad(2, 6);
  }

  void AddRoad(int from, int to, const std::string& more = "") {
    Put("roads", absl::StrCat("r", from, to),
        absl::StrCat(R"({"from_id": "p)", from, R"(", "to_id": "p)", to,
                     R"(", "name": "Road )", from, to, R"(")", more, "}"));
  }
  void Close(int place) {
    Put("places", absl::StrCat("p", place), R"({"open": false})");
  }
};

TEST_F(RoadsTest, WhatANodeFilterRefusesIsNotWalkedThrough) {
  Close(3);
  EXPECT_THAT(
      NodesOf(TraverseRoads("start: 'p1' max_depth: 16 node_filter: 'open'")),
      ElementsAre("1 p2 < p1", "2 p6 < p2"));
  // Nodes that a start node leads to past it are no further for that.
  EXPECT_THAT(NodesOf(TraverseRoads("start: 'p3' start: 'p1' max_depth: 2 "
                                    "node_filter: 'open'")),
              ElementsAre("1 p2 < p1", "1 p4 < p3", "2 p5 < p4", "2 p6 < p2"));
}

TEST_F(RoadsTest, NodeAndEdgeFilterShareParameters) {
  EXPECT_THAT(NodesOf(TraverseRoads(R"pb(
                start: "p1"
                max_depth: 16
                edge_filter: "name PREFIX :road"
                node_filter: "name != :place AND NOT name PREFIX :road"
                parameters {
                  fields {
                    key: "road"
                    value { string_value: "Road" }
                  }
                  fields {
                    key: "place"
                    value { string_value: "Place 4" }
                  }
                }
              )pb")),
              ElementsAre("1 p2 < p1", "2 p3 < p2", "2 p6 < p2"));
}

TEST_F(RoadsTest, ReturnsRecordsOfNodesAndEdges) {
  ASSERT_OK_AND_ASSIGN(const auto response, TraverseRoads(R"pb(
                         start: "p4"
                         with_edges: true
                         node_mask { paths: "name" }
                         edge_mask {}
                       )pb"));
  ASSERT_EQ(response.nodes_size(), 1);
  const v1::Record& node = response.nodes(0).record();
  EXPECT_EQ(node.id(), "p5");
  EXPECT_EQ(node.version(), 1);
  EXPECT_THAT(node.fields().fields(), SizeIs(1));
  EXPECT_EQ(node.fields().fields().at("name").string_value(), "Place 5");
  ASSERT_EQ(response.edges_size(), 1);
  const v1::Record& edge = response.edges(0).record();
  EXPECT_EQ(edge.id(), "r45");
  EXPECT_EQ(edge.fields().fields().at("name").string_value(), "Road 45");
  EXPECT_EQ(edge.fields().fields().at("to_id").string_value(), "p5");
  ASSERT_OK_AND_ASSIGN(const auto bare,
                       TraverseRoads("start: 'p4' with_edges: true"));
  EXPECT_FALSE(bare.nodes(0).has_record());
  EXPECT_FALSE(bare.edges(0).has_record());
}

TEST_F(RoadsTest, ANodeWithoutARecordMeetsNoFilter) {
  // links' ends are names: some of them are places.
  Link({"p1 -> p2", "p1 -> nowhere", "nowhere -> p3"});
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'p1' max_depth: 2 "
                                    "node_collection: 'places'")),
              ElementsAre("1 nowhere < p1", "1 p2 < p1", "2 p3 < nowhere"));
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'p1' max_depth: 2 "
                                    "node_collection: 'places' "
                                    "node_filter: 'true'")),
              ElementsAre("1 p2 < p1"));
  ASSERT_OK_AND_ASSIGN(const auto response,
                       TraverseLinks("start: 'p1' node_collection: 'places' "
                                     "node_mask {}"));
  EXPECT_FALSE(response.nodes(0).has_record());
  EXPECT_EQ(response.nodes(1).record().id(), "p2");
}

TEST_F(RoadsTest, WhatIsDeletedOrHasExpiredIsNotSeen) {
  Delete("roads", "r12");
  EXPECT_THAT(NodesOf(TraverseRoads("start: 'p1'")), IsEmpty());
  AddRoad(3, 1, R"(, "until": "2027-01-15T09:00:00Z")");  // In an hour.
  EXPECT_THAT(NodesOf(TraverseRoads("start: 'p3'")),
              ElementsAre("1 p1 < p3", "1 p4 < p3"));
  db_.clock().Advance(absl::Hours(2));
  EXPECT_THAT(NodesOf(TraverseRoads("start: 'p3'")), ElementsAre("1 p4 < p3"));
  EXPECT_THAT(EdgesOf(TraverseRoads("start: 'p3' with_edges: true")),
              ElementsAre("r34: p3 --> p4"));
  // A place that is deleted takes its roads along; names outlive theirs.
  Link({"x -> p6"});
  Delete("places", "p6");
  EXPECT_THAT(NodesOf(TraverseRoads("start: 'p2'")), ElementsAre("1 p3 < p2"));
  ASSERT_OK_AND_ASSIGN(const auto response,
                       TraverseLinks("start: 'x' node_collection: 'places' "
                                     "node_mask {}"));
  EXPECT_THAT(NodesOf(response), ElementsAre("1 p6 < x"));
  EXPECT_FALSE(response.nodes(0).has_record());
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'x' node_collection: 'places' "
                                    "node_filter: 'true'")),
              IsEmpty());
}

TEST_F(TraverseTest, ReturnsTheEdgesThatWereGoneAlongById) {
  Link({"4: a -x-> b", "2: a -y-> b", "3: b -x-> a", "1: a -x-> a",
        "5: b -x-> c", "6: c -x-> b", "7: d -x-> a", "8: c -x-> e",
        "9: c -x-> c"});
  EXPECT_THAT(EdgesOf(TraverseLinks("start: 'a' with_edges: true")),
              ElementsAre("1: a -x-> a", "2: a -y-> b", "4: a -x-> b"));
  EXPECT_THAT(
      EdgesOf(TraverseLinks("start: 'a' max_depth: 2 with_edges: true")),
      ElementsAre("1: a -x-> a", "2: a -y-> b", "3: b -x-> a", "4: a -x-> b",
                  "5: b -x-> c"));
  // Each once, though one between two nodes of the walk is met from both.
  EXPECT_THAT(
      EdgesOf(TraverseLinks("start: 'a' direction: DIRECTION_BOTH "
                            "kinds: 'x' with_edges: true")),
      ElementsAre("1: a -x-> a", "3: b -x-> a", "4: a -x-> b", "7: d -x-> a"));
  EXPECT_THAT(EdgesOf(TraverseLinks("start: 'a' direction: DIRECTION_IN "
                                    "with_edges: true")),
              ElementsAre("1: a -x-> a", "3: b -x-> a", "7: d -x-> a"));
  EXPECT_THAT(EdgesOf(TraverseLinks("start: 'a'")), IsEmpty());
}

TEST_F(TraverseTest, EdgesToNodesBeyondTheLimitAreLeftOut) {
  Link({"a -> d", "a -> c", "a -> b", "b -> c", "c -> b"});
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      TraverseLinks("start: 'a' max_depth: 5 limit: 2 with_edges: true"));
  EXPECT_THAT(NodesOf(response), ElementsAre("1 b < a", "1 c < a"));
  EXPECT_THAT(EdgesOf(response), ElementsAre("a-b: a --> b", "a-c: a --> c"));
  EXPECT_TRUE(response.truncated());
}

TEST_F(TraverseTest, ALimitIsTruncationOnlyWhereThereIsMore) {
  Link({"a -> b", "a -> c", "c -> d", "d -> a"});
  const auto truncated = [&](const std::string& request) {
    const auto response = TraverseLinks("start: 'a' " + request);
    EXPECT_OK(response);
    return response->truncated();
  };
  EXPECT_FALSE(truncated("limit: 2"));
  EXPECT_TRUE(truncated("limit: 1"));
  EXPECT_TRUE(truncated("limit: 2 max_depth: 2"));
  EXPECT_FALSE(truncated("limit: 3 max_depth: 16"));
}

TEST_F(RoadsTest, WhatTheFilterRefusesIsNoTruncation) {
  Close(3);
  Close(6);
  ASSERT_OK_AND_ASSIGN(const auto response,
                       TraverseRoads("start: 'p1' max_depth: 16 limit: 1 "
                                     "node_filter: 'open'"));
  EXPECT_THAT(NodesOf(response), ElementsAre("1 p2 < p1"));
  EXPECT_FALSE(response.truncated());
}

TEST_F(TraverseTest, ALimitKeepsTheSmallestIdsOfALevel) {
  std::vector<std::string> edges;
  for (int i = 999; i >= 100; --i) {
    edges.push_back(absl::StrCat("hub -> n", i));
  }
  Link(edges);
  ASSERT_OK_AND_ASSIGN(const auto response,
                       TraverseLinks("start: 'hub' limit: 3"));
  EXPECT_THAT(NodesOf(response),
              ElementsAre("1 n100 < hub", "1 n101 < hub", "1 n102 < hub"));
  ASSERT_OK_AND_ASSIGN(const auto usual, TraverseLinks("start: 'hub'"));
  EXPECT_THAT(usual.nodes(), SizeIs(100));
  ASSERT_OK_AND_ASSIGN(const auto all,
                       TraverseLinks("start: 'hub' limit: 2000000000"));
  EXPECT_THAT(all.nodes(), SizeIs(900));
  EXPECT_FALSE(all.truncated());
}

TEST_F(RoadsTest, AFilterIsAskedAboutEveryNodeOfALargeLevel) {
  std::vector<std::string> edges;
  for (int i = 1000; i < 2600; ++i) {
    edges.push_back(absl::StrCat("hub -> q", i));
  }
  Link(edges);
  // The last of 1600, three chunks of a filter.
  Put("places", "q2599", R"({"name": "last"})");
  Put("places", "q1000", R"({"name": "first"})");
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      TraverseLinks("start: 'hub' limit: 10 node_collection: 'places' "
                    "node_filter: 'open'"));
  EXPECT_THAT(NodesOf(response), ElementsAre("1 q1000 < hub", "1 q2599 < hub"));
  EXPECT_FALSE(response.truncated());
}

TEST_F(TraverseTest, LooksAtSoManyEdgesAndAnswersWithWhatItHas) {
  Link({"a -> b", "a -> c", "b -> d", "b -> e", "c -> f"});
  limits_.edges = 3;
  ASSERT_OK_AND_ASSIGN(const auto response,
                       TraverseLinks("start: 'a' max_depth: 5"));
  EXPECT_THAT(NodesOf(response), ElementsAre("1 b < a", "1 c < a", "2 d < b"));
  EXPECT_TRUE(response.truncated());
  limits_.edges = 5;
  ASSERT_OK_AND_ASSIGN(const auto all,
                       TraverseLinks("start: 'a' max_depth: 5"));
  EXPECT_THAT(all.nodes(), SizeIs(5));
  EXPECT_FALSE(all.truncated());
}

TEST_F(TraverseTest, AnAnswerHoldsSoManyBytes) {
  std::vector<std::string> edges;
  for (int i = 100; i < 400; ++i) edges.push_back(absl::StrCat("a -> n", i));
  Link(edges);
  limits_.answer_bytes = 2000;
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      TraverseLinks("start: 'a' limit: 1000 with_edges: true"));
  EXPECT_TRUE(response.truncated());
  EXPECT_LT(response.ByteSizeLong(), 2100);
  ASSERT_GT(response.nodes_size(), 20);
  EXPECT_EQ(response.nodes(20).id(), "n120");
  // Nodes leave some room for edges here, whose ids come in order as well.
  ASSERT_GT(response.edges_size(), 1);
  EXPECT_EQ(response.edges(1).id(), "a-n101");
}

TEST_F(RoadsTest, LargeRecordsEndAnAnswer) {
  limits_.answer_bytes = 1000;
  for (int i = 2; i <= 5; ++i) {
    Put("places", absl::StrCat("p", i),
        absl::StrCat(R"({"name": ")", std::string(700, 'x'), R"("})"));
  }
  ASSERT_OK_AND_ASSIGN(const auto response,
                       TraverseRoads("start: 'p1' max_depth: 4 node_mask {}"));
  EXPECT_THAT(NodesOf(response), ElementsAre("1 p2 < p1"));
  EXPECT_TRUE(response.truncated());
  // One goes in any case, so that there is a way to it.
  limits_.answer_bytes = 100;
  ASSERT_OK_AND_ASSIGN(const auto one,
                       TraverseRoads("start: 'p1' node_mask {}"));
  EXPECT_THAT(NodesOf(one), ElementsAre("1 p2 < p1"));
}

TEST_F(TraverseTest, EdgesWithoutAnEndAreNone) {
  Put("links", "1", R"({"a": "x"})");
  Put("links", "2", R"({"b": "x"})");
  Put("links", "3", R"({"a": "x", "b": ""})");
  EXPECT_THAT(NodesOf(TraverseLinks("start: 'x' direction: DIRECTION_BOTH")),
              IsEmpty());
}

TEST_F(TraverseTest, NodesDifferThatDifferInCase) {
  ASSERT_OK(db_.Apply({R"(
collection: names
fields:
  a: {type: string, collate: nocase}
  b: {type: string, collate: nocase}
  kind: {type: string, collate: nocase}
edges: {source: a, target: b, kind: kind}
)"}));
  Put("names", "1", R"({"a": "Ada", "b": "Bob", "kind": "Likes"})");
  Put("names", "2", R"({"a": "ada", "b": "bob", "kind": "likes"})");
  const auto traverse = [&](const std::string& request) {
    return NodesOf(Call<v1::TraverseRequest, v1::TraverseResponse>(
        storage::Traverse, "collection: 'names' " + request));
  };
  EXPECT_THAT(traverse("start: 'ada'"), ElementsAre("1 bob < ada"));
  EXPECT_THAT(traverse("start: 'Bob' direction: DIRECTION_IN"),
              ElementsAre("1 Ada < Bob"));
  EXPECT_THAT(traverse("start: 'BOB' direction: DIRECTION_IN"), IsEmpty());
  // Kinds are values as filters see them.
  EXPECT_THAT(traverse("start: ['ada', 'Ada'] kinds: 'LIKES'"),
              ElementsAre("1 Bob < Ada", "1 bob < ada"));
}

TEST_F(TraverseTest, ReportsEveryMistakeOfARequest) {
  const auto status = TraverseLinks(R"pb(
                        start: [ "a", "" ]
                        direction: 9
                        max_depth: -1
                        limit: -5
                        edge_filter: "wieght > 1"
                        edge_mask { paths: "nothing" }
                        node_collection: "places"
                        node_filter: "open AND"
                        node_mask { paths: "nothing" }
                      )pb")
                          .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      ViolationsOf(status),
      UnorderedElementsAre(
          Pair("start[1]", "is empty; give a node's id"),
          Pair("direction", HasSubstr("is 9, which is no direction")),
          Pair("max_depth", "is negative; give 0 to 16"),
          Pair("limit", "is negative; give 0 to 10000"),
          Pair("edge_filter", HasSubstr("did you mean \"weight\"?")),
          Pair("edge_mask.paths[0]", HasSubstr("has no field \"nothing\"")),
          Pair("edge_mask", HasSubstr("has no meaning without with_edges")),
          Pair("node_filter", HasSubstr("column")),
          Pair("node_mask.paths[0]", HasSubstr("has no field \"nothing\""))));
}

TEST_F(TraverseTest, WantsOneToAThousandStartNodes) {
  EXPECT_THAT(ViolationsOf(TraverseLinks("").status()),
              ElementsAre(Pair("start", "has 0 entries; give 1 to 1000")));
  std::string many;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&many, " start: 'n", i, "'");
  EXPECT_OK(TraverseLinks(many));
  EXPECT_THAT(ViolationsOf(TraverseLinks(many + " start: 'x'").status()),
              ElementsAre(Pair("start", "has 1001 entries; give 1 to 1000")));
  EXPECT_OK(
      TraverseLinks(absl::StrCat("start: '", std::string(8192, 'x'), "'")));
  EXPECT_THAT(
      ViolationsOf(
          TraverseLinks(absl::StrCat("start: '", std::string(8193, 'x'), "'"))
              .status()),
      ElementsAre(Pair("start[0]", HasSubstr("has 8193 bytes"))));
}

TEST_F(TraverseTest, ParametersThatNoFilterUsesAreRefused) {
  EXPECT_THAT(
      ViolationsOf(TraverseLinks("start: 'a' parameters { fields { key: 'x' "
                                 "value { bool_value: true } } }")
                       .status()),
      ElementsAre(Pair("parameters.x", HasSubstr("is used nowhere"))));
}

TEST_F(TraverseTest, KindsWantAFieldThatHoldsThem) {
  EXPECT_THAT(
      ViolationsOf(TraverseRoads("start: 'a' kinds: 'x'").status()),
      ElementsAre(Pair("kinds", AllOf(HasSubstr("declare no `kind`"),
                                      HasSubstr("use `edge_filter`")))));
  std::string kinds;
  for (int i = 0; i < 101; ++i) absl::StrAppend(&kinds, " kinds: 'k", i, "'");
  EXPECT_THAT(ViolationsOf(TraverseLinks("start: 'a' " + kinds).status()),
              ElementsAre(Pair("kinds", "has 101 entries; give at most 100")));
}

TEST_F(TraverseTest, RecordsOfNodesWantACollection) {
  for (const char* wish : {"node_filter: 'open'", "node_mask {}"}) {
    EXPECT_THAT(
        ViolationsOf(TraverseLinks(absl::StrCat("start: 'a' ", wish)).status()),
        ElementsAre(
            Pair("node_collection", AllOf(HasSubstr("is missing"),
                                          HasSubstr("name it, or leave out")))))
        << wish;
  }
  EXPECT_THAT(TraverseLinks("start: 'a' node_collection: 'nowhere'"),
              StatusIs(absl::StatusCode::kNotFound, "nowhere"));
  // Refs to two collections do not tell either.
  ASSERT_OK(db_.Apply({R"(
collection: visits
fields:
  place: {type: ref(places)}
  road:  {type: ref(roads)}
edges: {source: place, target: road}
)"}));
  EXPECT_THAT(ViolationsOf(Call<v1::TraverseRequest, v1::TraverseResponse>(
                               storage::Traverse,
                               "collection: 'visits' start: 'a' node_mask {}")
                               .status()),
              ElementsAre(Pair("node_collection", HasSubstr("is missing"))));
}

TEST_F(TraverseTest, ACollectionWithoutEdgesIsNoGraph) {
  const auto status = Call<v1::TraverseRequest, v1::TraverseResponse>(
                          storage::Traverse, "collection: 'places' start: 'a'")
                          .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               "declares no `edges`"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_ATTRIBUTE_MISSING);
  EXPECT_THAT((Call<v1::TraverseRequest, v1::TraverseResponse>(
                  storage::Traverse, "collection: 'nowhere' start: 'a'")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TraverseTest, EndsWithTheCallsBounds) {
  Link({"a -> b"});
  bounds_.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_THAT(TraverseLinks("start: 'a'"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  bounds_.deadline = absl::InfiniteFuture();
  bounds_.is_cancelled = [] { return true; };
  EXPECT_THAT(TraverseLinks("start: 'a'"),
              StatusIs(absl::StatusCode::kCancelled));
}

// A node with so many edges that reading them takes a while.
class HubTest : public TraverseTest {
 protected:
  static constexpr int kEdges = 100'000;

  void SetUp() override {
    TraverseTest::SetUp();
    ASSERT_OK(db_.Run([](WriteTransaction& transaction) {
      return transaction.connection().Execute(absl::StrCat(
          "INSERT INTO links (id, _version, _created_us, _updated_us, "
          "_sequence, a, b, kind) WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL "
          "SELECT i + 1 FROM n WHERE i < ",
          kEdges - 1,
          ") SELECT printf('e%06d', i), 1, 0, 0, 0, 'hub', "
          "printf('n%06d', i), 'x' FROM n"));
    }));
  }
};

TEST_F(HubTest, AHubsEdgesAreReadWithoutHoldingItsNodes) {
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      TraverseLinks("start: 'hub' limit: 2 max_depth: 2 with_edges: true"));
  EXPECT_THAT(NodesOf(response),
              ElementsAre("1 n000000 < hub", "1 n000001 < hub"));
  EXPECT_THAT(EdgesOf(response), ElementsAre("e000000: hub -x-> n000000",
                                             "e000001: hub -x-> n000001"));
  EXPECT_TRUE(response.truncated());
}

TEST_F(HubTest, TheStatementsOfAHubEndWithTheCall) {
  // The first looks are those before statements; the hub's takes many more.
  int looks = 0;
  bounds_.is_cancelled = [&] { return ++looks > 3; };
  EXPECT_THAT(TraverseLinks("start: 'hub'"),
              StatusIs(absl::StatusCode::kCancelled));
  looks = 0;
  EXPECT_THAT(Degrees("ids: 'hub'"), StatusIs(absl::StatusCode::kCancelled));
  looks = 0;
  EXPECT_THAT(Common("id: 'hub'"), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace engram::storage
