#include "libs/hnsw/candidate_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>
#include <set>
#include <utility>

namespace engram::hnsw {
namespace {

// Pools that are moved one by one, by eight, and both.
class CandidatePoolTest : public testing::TestWithParam<int> {
 protected:
  CandidatePoolTest() { pool_.Reset(GetParam()); }

  void Add(uint32_t node) {
    // Few distances, so that many are equal; of both signs.
    const int32_t distance = std::uniform_int_distribution(-20, 20)(random_);
    pool_.Add(node, distance);
    nearest_.emplace(distance, node);
    if (static_cast<int>(nearest_.size()) > GetParam()) {
      nearest_.erase(std::prev(nearest_.end()));
    }
  }

  CandidatePool pool_;
  std::set<std::pair<int32_t, uint32_t>> nearest_;
  std::mt19937 random_;
};

TEST_P(CandidatePoolTest, KeepsTheNearestInOrder) {
  for (uint32_t node = 0; node < 300; ++node) {
    Add(node);
    ASSERT_EQ(pool_.size(), static_cast<int>(nearest_.size()));
    int i = 0;
    for (const auto& [distance, node] : nearest_) {
      ASSERT_EQ(pool_.distance(i), distance);
      ASSERT_EQ(pool_.node(i++), node);
    }
  }
}

TEST_P(CandidatePoolTest, GoesOnFromEachOnceNearestFirst) {
  std::set<uint32_t> taken;
  for (uint32_t node = 0; node < 300; ++node) {
    Add(node);
    if (node % 3 == 0) continue;
    const auto next = std::find_if(
        nearest_.begin(), nearest_.end(),
        [&](const auto& entry) { return !taken.contains(entry.second); });
    ASSERT_EQ(pool_.HasNext(), next != nearest_.end());
    if (next == nearest_.end()) continue;
    ASSERT_EQ(pool_.TakeNext(), next->second);
    taken.insert(next->second);
  }
}

INSTANTIATE_TEST_SUITE_P(Capacities, CandidatePoolTest,
                         testing::Values(1, 8, 9, 70));

}  // namespace
}  // namespace engram::hnsw
