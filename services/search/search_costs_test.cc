#include "services/search/search_costs.h"

#include <gtest/gtest.h>

namespace engram::search {
namespace {

TEST(LearnedCostTest, ComesToWhatItTakes) {
  LearnedCost cost(1000);
  for (int i = 0; i < 60; ++i) cost.Learn(100, absl::Microseconds(5));
  EXPECT_NEAR(cost.nanoseconds(), 50, 2);
  for (int i = 0; i < 200; ++i) cost.Learn(100, absl::Microseconds(50));
  EXPECT_NEAR(cost.nanoseconds(), 500, 20);
}

TEST(LearnedCostTest, AWaitForACoreHardlyCounts) {
  LearnedCost cost(100);
  cost.Learn(100, absl::Seconds(1));
  EXPECT_LT(cost.nanoseconds(), 150);
}

TEST(LearnedCostTest, AClockThatWasSetBackIsForgotten) {
  LearnedCost cost(100);
  cost.Learn(100, -absl::Hours(1));
  EXPECT_GT(cost.nanoseconds(), 50);
  for (int i = 0; i < 60; ++i) cost.Learn(100, absl::Microseconds(10));
  EXPECT_NEAR(cost.nanoseconds(), 100, 2);
}

TEST(LearnedCostTest, AFewSayNothing) {
  LearnedCost cost(100);
  cost.Learn(0, absl::Milliseconds(1));
  cost.Learn(3, absl::Milliseconds(1));
  EXPECT_EQ(cost.nanoseconds(), 100);
}

}  // namespace
}  // namespace engram::search
