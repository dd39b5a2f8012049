#include "services/search/feed_lag.h"

#include <gtest/gtest.h>

#include <chrono>

namespace engram::search {
namespace {

constexpr FeedLag::Time kStart;

FeedLag::Time After(int seconds) {
  return kStart + std::chrono::seconds(seconds);
}

TEST(FeedLagTest, BeforeAnythingIsHeardItGrowsFromTheStart) {
  const FeedLag lag(kStart);
  EXPECT_EQ(lag.At(After(7)), absl::Seconds(7));
}

TEST(FeedLagTest, WhileTheSignsOfLifeComeItIsNone) {
  FeedLag lag(kStart);
  for (int seconds = 0; seconds < 100; seconds += 10) {
    lag.Heard(After(seconds), true);
    EXPECT_EQ(lag.At(After(seconds + 10)), absl::ZeroDuration());
  }
}

TEST(FeedLagTest, AFeedThatFellSilentIsNotTrusted) {
  FeedLag lag(kStart);
  lag.Heard(After(10), true);
  EXPECT_EQ(lag.At(After(22)), absl::ZeroDuration());
  EXPECT_EQ(lag.At(After(23)), absl::Seconds(13));
  // Only what is heard ends it.
  EXPECT_EQ(lag.At(After(100)), absl::Seconds(90));
  lag.Heard(After(100), true);
  EXPECT_EQ(lag.At(After(101)), absl::ZeroDuration());
}

TEST(FeedLagTest, ItGrowsUntilAllIsApplied) {
  FeedLag lag(kStart);
  lag.Heard(After(10), true);
  lag.FallBehind(After(15));  // Of a change that was heard of elsewhere.
  EXPECT_EQ(lag.At(After(16)), absl::Seconds(1));
  lag.Heard(After(17), false);
  lag.FallBehind(After(18));
  EXPECT_EQ(lag.At(After(20)), absl::Seconds(5));
  lag.Heard(After(21), true);
  EXPECT_EQ(lag.At(After(21)), absl::ZeroDuration());
}

TEST(FeedLagTest, OfAFeedThatWasSilentBeforeItEndedTheLastWordCounts) {
  FeedLag lag(kStart);
  lag.Heard(After(10), true);
  lag.FallBehind(After(30));
  EXPECT_EQ(lag.At(After(31)), absl::Seconds(21));
}

}  // namespace
}  // namespace engram::search
