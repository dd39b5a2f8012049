// Graphs as data: what is refused, and what repair does.

#include "libs/hnsw/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "libs/hnsw/graph_repair.h"

namespace engram::hnsw {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Five nodes in a ring; 1 and 3 are on level 1 and link to each other there, 3
// on level 2 too.
Graph::Parts Ring() {
  Graph::Parts parts;
  parts.base_links = HugeArray<uint32_t>(5 * Graph::kBaseLinks);
  std::fill_n(parts.base_links.data(), parts.base_links.size(), kNoNode);
  for (uint32_t node = 0; node < 5; ++node) {
    parts.base_links[node * Graph::kBaseLinks] = (node + 1) % 5;
  }
  parts.upper_nodes = {1, 3};
  parts.upper_levels = {1, 2};
  parts.upper_links.assign(3 * Graph::kUpperLinks, kNoNode);
  parts.upper_links[0] = 1;
  parts.upper_links[Graph::kUpperLinks] = 0;
  parts.entry_node = 3;
  return parts;
}

TEST(GraphTest, TakesPartsThatFitTogether) {
  const auto graph = Graph::Create(Ring());
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->size(), 5);
  EXPECT_EQ(graph->top_level(), 2);
  EXPECT_EQ(graph->entry_slot(), 1);
  EXPECT_EQ(graph->BaseLinks(4)[0], 0);
  EXPECT_EQ(graph->UpperLinks(0, 1)[0], 1);
  EXPECT_EQ(graph->UpperLinks(1, 1)[0], 0);
  EXPECT_EQ(graph->UpperLinks(1, 2)[0], kNoNode);
  EXPECT_GE(graph->memory_bytes(), 5 * 128 + 3 * 64);
}

TEST(GraphTest, TakesNoNodesAndNodesWithoutUpperLevels) {
  EXPECT_TRUE(Graph::Create({}).ok());
  Graph::Parts flat = Ring();
  flat.upper_nodes.clear();
  flat.upper_levels.clear();
  flat.upper_links.clear();
  const auto graph = Graph::Create(std::move(flat));
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->top_level(), 0);
}

struct Fault {
  std::string name;
  std::function<void(Graph::Parts&)> make;
  std::string message;
};

class BrokenGraphTest : public ::testing::TestWithParam<Fault> {};

TEST_P(BrokenGraphTest, IsRefused) {
  Graph::Parts parts = Ring();
  GetParam().make(parts);
  const auto graph = Graph::Create(std::move(parts));
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(graph.status().message()),
              HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, BrokenGraphTest,
    ::testing::Values(
        Fault{"LinkBeyondTheNodes",
              [](Graph::Parts& parts) { parts.base_links[2 * 32] = 5; },
              "link 0 of node 2 is 5"},
        Fault{"LinkBehindTheEnd",
              [](Graph::Parts& parts) { parts.base_links[2] = 1; },
              "link 2 of node 0 is 1"},
        Fault{"HalfAList",
              [](Graph::Parts& parts) {
                parts.base_links = HugeArray<uint32_t>(33);
              },
              "33 links"},
        Fault{"EntryBeyondTheNodes",
              [](Graph::Parts& parts) { parts.entry_node = 5; },
              "entry node 5"},
        Fault{"EntryBelowTheTop",
              [](Graph::Parts& parts) { parts.entry_node = 1; },
              "entry node 1 is not on level 2"},
        Fault{"UpperNodeBeyondTheNodes",
              [](Graph::Parts& parts) { parts.upper_nodes[1] = 5; },
              "upper node 1 is 5"},
        Fault{"UpperNodesOutOfOrder",
              [](Graph::Parts& parts) {
                parts.upper_nodes = {3, 1};
              },
              "upper node 1 is 1"},
        Fault{"NoLevel",
              [](Graph::Parts& parts) {
                parts.upper_levels[0] = 0;
                parts.upper_links.resize(2 * Graph::kUpperLinks);
              },
              "upper node 0 has no level"},
        Fault{"LevelsMissing",
              [](Graph::Parts& parts) { parts.upper_levels.pop_back(); },
              "1 levels for 2"},
        Fault{"UpperLinksMissing",
              [](Graph::Parts& parts) { parts.upper_links.pop_back(); },
              "47 upper links"},
        Fault{"UpperLinkBeyondTheSlots",
              [](Graph::Parts& parts) { parts.upper_links[0] = 2; },
              "link 0 of slot 0 on level 1 is 2"},
        Fault{"UpperLinkToASlotThatIsNotThere",
              [](Graph::Parts& parts) {
                parts.upper_links[2 * Graph::kUpperLinks] = 0;
              },
              "link 0 of slot 1 on level 2 is 0"}),
    [](const auto& info) { return info.param.name; });

// The nodes that can be reached from the entry node, counted.
int64_t Reachable(const Graph::Parts& parts) {
  std::vector<uint32_t> pending = {parts.entry_node};
  std::vector<bool> reached(parts.base_links.size() / Graph::kBaseLinks);
  reached[parts.entry_node] = true;
  int64_t count = 0;
  while (!pending.empty()) {
    const uint32_t node = pending.back();
    pending.pop_back();
    ++count;
    for (int i = 0; i < Graph::kBaseLinks; ++i) {
      const uint32_t to = parts.base_links[node * Graph::kBaseLinks + i];
      if (to == kNoNode || reached[to]) continue;
      reached[to] = true;
      pending.push_back(to);
    }
  }
  return count;
}

TEST(GraphRepairTest, LeavesAGraphAloneThatIsWhole) {
  Graph::Parts parts = Ring();
  EXPECT_EQ(RepairGraph(parts), 0);
  EXPECT_EQ(parts.base_links[3 * Graph::kBaseLinks], 4);
  EXPECT_EQ(parts.base_links[3 * Graph::kBaseLinks + 1], kNoNode);
}

TEST(GraphRepairTest, ANodeThatNoneLinksToIsLinkedFromItsNeighbor) {
  Graph::Parts parts = Ring();
  parts.base_links[1 * Graph::kBaseLinks] = 3;  // Past node 2, that links to 3.
  EXPECT_EQ(RepairGraph(parts), 1);
  EXPECT_EQ(parts.base_links[3 * Graph::kBaseLinks + 1], 2);
  EXPECT_EQ(Reachable(parts), 5);
}

TEST(GraphRepairTest, TheEntryNodeIsLinkedTo) {
  Graph::Parts parts = Ring();
  parts.base_links[2 * Graph::kBaseLinks] = 4;  // Past the entry node, 3.
  EXPECT_EQ(RepairGraph(parts), 1);
  EXPECT_EQ(parts.base_links[4 * Graph::kBaseLinks + 1], 3);
}

TEST(GraphRepairTest, IslandsAndNodesWithoutLinksAreReachedToo) {
  Graph::Parts parts = Ring();
  for (uint32_t node : {0u, 1u, 2u, 4u}) {
    parts.base_links[node * Graph::kBaseLinks] = kNoNode;
  }
  parts.base_links[0 * Graph::kBaseLinks] = 1;
  parts.base_links[1 * Graph::kBaseLinks] = 0;
  EXPECT_GT(RepairGraph(parts), 0);
  EXPECT_EQ(Reachable(parts), 5);
}

// A hub whose list is full, and more nodes that link to it than fit.
TEST(GraphRepairTest, FullListsLoseNoNode) {
  constexpr uint32_t kNodes = 200;
  Graph::Parts parts;
  parts.base_links = HugeArray<uint32_t>(kNodes * Graph::kBaseLinks);
  for (uint32_t node = 0; node < kNodes; ++node) {
    uint32_t* links = &parts.base_links[node * Graph::kBaseLinks];
    for (uint32_t i = 0; i < Graph::kBaseLinks; ++i) {
      // All link to the first nodes, which link to each other.
      links[i] = node <= i ? i + 1 : i;
    }
  }
  parts.entry_node = 0;
  EXPECT_EQ(Reachable(parts), 33);
  EXPECT_EQ(RepairGraph(parts), kNodes - 33);
  EXPECT_EQ(Reachable(parts), kNodes);
  for (uint32_t node = 0; node < kNodes; ++node) {
    std::vector<uint32_t> links(
        &parts.base_links[node * Graph::kBaseLinks],
        &parts.base_links[node * Graph::kBaseLinks] + Graph::kBaseLinks);
    std::sort(links.begin(), links.end());
    EXPECT_EQ(std::unique(links.begin(), links.end()), links.end());
  }
}

}  // namespace
}  // namespace engram::hnsw
