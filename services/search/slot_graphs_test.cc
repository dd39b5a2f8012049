#include "services/search/slot_graphs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
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

// What an owner keeps of each slot: here, which node it is.
using Owned = std::vector<std::pair<Tier, uint32_t>>;

// That the slots in graphs are what their owner has there, those of the large
// one first, and that no other node has a slot.
void ExpectSame(const SlotGraphs& graphs, const Owned& owned) {
  ASSERT_LE(graphs.size(), owned.size());
  for (uint32_t slot = 0; slot < graphs.size(); ++slot) {
    ASSERT_EQ(graphs.TierOf(slot), owned[slot].first) << slot;
    ASSERT_EQ(graphs.NodeOf(slot), owned[slot].second) << slot;
  }
  std::vector<uint32_t> slots(owned.size());
  std::iota(slots.begin(), slots.end(), 0);
  for (const Tier tier : kTiers) {
    std::vector<uint32_t> nodes;
    for (uint32_t slot = 0; slot < graphs.size(); ++slot) {
      if (owned[slot].first == tier) nodes.push_back(owned[slot].second);
    }
    std::vector<uint32_t> room(slots.size());
    EXPECT_EQ(graphs.NodesOf(tier, slots, slots.size(), absl::MakeSpan(room)),
              nodes);
    // Where no other slot is asked for.
    const auto own = absl::MakeConstSpan(slots).subspan(
        tier == Tier::kLarge ? 0 : graphs.size(Tier::kLarge), nodes.size());
    const uint32_t end = own.empty() ? 0 : own.back() + 1;
    EXPECT_EQ(graphs.NodesOf(tier, own, end, absl::MakeSpan(room)), nodes);
    if (graphs.segment(tier) == nullptr) continue;
    EXPECT_EQ(graphs.dead(tier), kNodes - int64_t{graphs.size(tier)});
    for (uint32_t node = 0; node < kNodes; ++node) {
      const auto end = owned.begin() + graphs.size();
      const auto found =
          std::find(owned.begin(), end, std::make_pair(tier, node));
      ASSERT_EQ(graphs.SlotOf(tier, node),
                found == end ? SlotGraphs::kNoSlot : found - owned.begin());
    }
  }
}

// Nodes as they were built, or in some order, as a file may say.
std::vector<uint32_t> Nodes(int count, bool are_mixed, std::mt19937& random) {
  std::vector<uint32_t> nodes(count);
  for (int i = 0; i < count; ++i) nodes[i] = i;
  if (are_mixed) std::shuffle(nodes.begin(), nodes.end(), random);
  return nodes;
}

class SlotGraphsTest : public ::testing::Test {
 protected:
  void Append(Tier tier, const std::vector<uint32_t>& nodes) {
    for (const uint32_t node : nodes) {
      graphs_.Append(tier, node);
      owned_.emplace_back(tier, node);
    }
  }
  // Takes a slot out, as its owner does, and forgets it.
  void TakeOut(uint32_t slot) {
    const auto taken = owned_[slot];
    const uint32_t left =
        graphs_.TakeOut(slot, [this](uint32_t one, uint32_t other) {
          std::swap(owned_[one], owned_[other]);
        });
    ASSERT_EQ(left, graphs_.size());
    ASSERT_EQ(owned_[left], taken);
    owned_.pop_back();
  }

  const std::shared_ptr<GraphSegment> segment_ = Segment();
  std::mt19937 random_{7};
  SlotGraphs graphs_;
  Owned owned_;
};

TEST_F(SlotGraphsTest, WithoutAGraphNoSlotIsInIt) {
  EXPECT_EQ(graphs_.size(), 0);
  EXPECT_EQ(graphs_.dead(Tier::kLarge), 0);
  EXPECT_EQ(graphs_.dead(Tier::kSmall), 0);
  EXPECT_EQ(graphs_.memory_bytes(), 0);
}

TEST_F(SlotGraphsTest, WhatIsTakenOutLeavesTheOthersAsTheyAre) {
  for (int round = 0; round < 20; ++round) {
    owned_.clear();
    graphs_.Reset(Tier::kLarge, segment_);
    graphs_.Reset(Tier::kSmall, round % 5 == 4 ? nullptr : segment_);
    Append(Tier::kLarge, Nodes(kNodes - round, round % 2 == 1, random_));
    if (round % 5 != 4) {
      Append(Tier::kSmall, Nodes(20 * round / 3, round % 4 > 1, random_));
    }
    ExpectSame(graphs_, owned_);
    bool is_again = round % 3 != 0;
    while (graphs_.size() > 3) {
      TakeOut(random_() % graphs_.size());
      if (graphs_.size() % 40 == 0) ExpectSame(graphs_, owned_);
      // Another small graph begins where the large one ends by now.
      if (graphs_.size() == 150 && !std::exchange(is_again, true)) {
        graphs_.Reset(Tier::kSmall, segment_);
        owned_.resize(graphs_.size());
        Append(Tier::kSmall, Nodes(70, round % 2 == 1, random_));
      }
    }
    ExpectSame(graphs_, owned_);
  }
}

TEST_F(SlotGraphsTest, SlotsThatWereNotMovedCostABit) {
  graphs_.Reset(Tier::kLarge, segment_);
  graphs_.Reset(Tier::kSmall, segment_);
  Append(Tier::kLarge, Nodes(kNodes, false, random_));
  Append(Tier::kSmall, Nodes(kNodes, false, random_));
  EXPECT_LE(graphs_.memory_bytes() - 2 * segment_->memory_bytes(), 2 * kNodes);
}

}  // namespace
}  // namespace engram::search
