#include "services/search/slot_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "libs/hnsw/testing/sample_vectors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

constexpr int kNodes = 300;
constexpr int kDimensions = 4;

std::shared_ptr<GraphSegment> Segment() {
  const hnsw::SampleVectors samples(kNodes, kDimensions, hnsw::Metric::kDot,
                                    true);
  auto segment =
      GraphSegment::Build(hnsw::CodeTable(samples.Row(0).data(), kNodes,
                                          kDimensions, hnsw::Metric::kDot),
                          /*threads=*/1, [] { return true; });
  EXPECT_TRUE(segment.ok());
  return *std::move(segment);
}

// That slot i is nodes[i], and that no other node has a slot.
void ExpectNodes(const SlotGraph& graph, const std::vector<uint32_t>& nodes) {
  ASSERT_EQ(graph.size(), nodes.size());
  EXPECT_EQ(graph.dead(), kNodes - static_cast<int64_t>(nodes.size()));
  for (uint32_t slot = 0; slot < nodes.size(); ++slot) {
    ASSERT_EQ(graph.NodeOf(slot), nodes[slot]);
  }
  for (uint32_t node = 0; node < kNodes; ++node) {
    const auto found = std::find(nodes.begin(), nodes.end(), node);
    ASSERT_EQ(graph.SlotOf(node), found == nodes.end() ? SlotGraph::kNoSlot
                                                       : found - nodes.begin());
  }
}

TEST(SlotGraphTest, WithoutAGraphNoSlotIsInIt) {
  SlotGraph graph;
  EXPECT_EQ(graph.size(), 0);
  EXPECT_EQ(graph.dead(), 0);
  EXPECT_EQ(graph.memory_bytes(), 0);
}

TEST(SlotGraphTest, ItIsAsItsModel) {
  std::mt19937 random(7);
  SlotGraph graph;
  const auto segment = Segment();
  for (int round = 0; round < 20; ++round) {
    graph.Reset(segment);
    // Nodes as they were built, or in some order, as a file may say.
    std::vector<uint32_t> nodes(kNodes - round);
    for (uint32_t i = 0; i < nodes.size(); ++i) nodes[i] = i;
    if (round % 2 == 1) std::shuffle(nodes.begin(), nodes.end(), random);
    for (const uint32_t node : nodes) graph.Append(node);
    ExpectNodes(graph, nodes);
    while (nodes.size() > 3) {
      const uint32_t slot = random() % nodes.size();
      EXPECT_EQ(graph.TakeOut(slot), nodes.size() - 1);
      nodes[slot] = nodes.back();
      nodes.pop_back();
      if (nodes.size() % 40 == 0) ExpectNodes(graph, nodes);
    }
    ExpectNodes(graph, nodes);
  }
}

TEST(SlotGraphTest, SlotsThatWereNotMovedCostABit) {
  SlotGraph graph;
  const auto segment = Segment();
  graph.Reset(segment);
  for (uint32_t node = 0; node < kNodes; ++node) graph.Append(node);
  EXPECT_LE(graph.memory_bytes() - segment->memory_bytes(), kNodes);
}

}  // namespace
}  // namespace engram::search
