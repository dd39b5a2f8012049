#include "services/search/duplicate_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace engram::search {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(DuplicateGroupsTest, WithoutPairsThereAreNone) {
  EXPECT_THAT(DuplicateGroups(3).Take(), IsEmpty());
  EXPECT_THAT(DuplicateGroups(0).Take(), IsEmpty());
}

TEST(DuplicateGroupsTest, AChainOfPairsIsOneGroup) {
  DuplicateGroups groups(7);
  groups.Add(5, 3, 0.9f);
  groups.Add(1, 2, 0.8f);
  groups.Add(6, 1, 0.7f);
  EXPECT_FALSE(groups.AreTogether(6, 3));
  groups.Add(2, 5, 0.6f);
  EXPECT_TRUE(groups.AreTogether(6, 3));
  EXPECT_FALSE(groups.AreTogether(6, 4));
  const auto taken = groups.Take();
  ASSERT_EQ(taken.size(), 1);
  EXPECT_THAT(taken[0].records, ElementsAre(1, 2, 3, 5, 6));
  EXPECT_FLOAT_EQ(taken[0].weakest, 0.6f);
}

TEST(DuplicateGroupsTest, TheLargestComesFirstAndTheFirstOfEquals) {
  DuplicateGroups groups(9);
  groups.Add(4, 5, 1);
  groups.Add(8, 7, 1);
  groups.Add(7, 6, 1);
  groups.Add(0, 1, 1);
  const auto taken = groups.Take();
  ASSERT_EQ(taken.size(), 3);
  EXPECT_THAT(taken[0].records, ElementsAre(6, 7, 8));
  EXPECT_THAT(taken[1].records, ElementsAre(0, 1));
  EXPECT_THAT(taken[2].records, ElementsAre(4, 5));
}

// Close ones that were there before a group's last pair, or come after it, can
// hold it together better.
TEST(DuplicateGroupsTest, AWeakPairThatIsNotNeededDoesNotCount) {
  for (std::vector<std::pair<uint32_t, uint32_t>> order :
       {std::vector<std::pair<uint32_t, uint32_t>>{{0, 1}, {0, 2}, {1, 2}},
        {{1, 2}, {0, 2}, {0, 1}}}) {
    DuplicateGroups groups(3);
    for (const auto& [one, other] : order) {
      groups.Add(one, other, one + other == 1 ? 0.5f : 0.9f);
    }
    EXPECT_FLOAT_EQ(groups.Take().at(0).weakest, 0.9f);
  }
}

// Many more pairs than are kept: what is kept says the same as all of them.
TEST(DuplicateGroupsTest, WhatIsPrunedIsNotMissed) {
  constexpr int kRecords = 60;
  std::mt19937 random(7);
  std::vector<std::vector<float>> closeness(kRecords,
                                            std::vector<float>(kRecords, -1));
  DuplicateGroups groups(kRecords);
  for (int i = 0; i < 30'000; ++i) {
    // Two halves that no pair connects.
    const uint32_t half = random() % 2;
    const uint32_t one = 2 * (random() % (kRecords / 2)) + half;
    const uint32_t other = 2 * (random() % (kRecords / 2)) + half;
    if (one == other) continue;
    const auto close = static_cast<float>(random() % 1'000'000);
    groups.Add(one, other, close);
    closeness[one][other] = std::max(closeness[one][other], close);
    closeness[other][one] = closeness[one][other];
  }
  // The largest least of any chain between two records.
  for (int via = 0; via < kRecords; ++via) {
    for (int one = 0; one < kRecords; ++one) {
      for (int other = 0; other < kRecords; ++other) {
        closeness[one][other] =
            std::max(closeness[one][other],
                     std::min(closeness[one][via], closeness[via][other]));
      }
    }
  }
  const auto taken = groups.Take();
  ASSERT_EQ(taken.size(), 2);
  for (const DuplicateGroups::Group& group : taken) {
    EXPECT_EQ(group.records.size(), kRecords / 2);
    float weakest = 1e9;
    for (const uint32_t one : group.records) {
      for (const uint32_t other : group.records) {
        if (one != other) weakest = std::min(weakest, closeness[one][other]);
      }
    }
    EXPECT_EQ(group.weakest, weakest);
  }
}

}  // namespace
}  // namespace engram::search
