#include "services/embedding/concurrency_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::embedding {
namespace {

constexpr absl::Duration kAlone = absl::Milliseconds(50);

// A limit that has seen a first call.
ConcurrencyLimit Warm(int most) {
  ConcurrencyLimit limit(most);
  limit.Learn(1, 1, 10 * kAlone);
  return limit;
}

TEST(ConcurrencyLimitTest, AProviderThatServesOneCallAtATimeGetsTwo) {
  ConcurrencyLimit limit = Warm(16);
  limit.Learn(1, 1, kAlone);
  for (int i = 0; i < 30; ++i) limit.Learn(32, 2, 2 * kAlone);

  EXPECT_EQ(limit.value(), 2);
}

// It came just when the one before it ended.
TEST(ConcurrencyLimitTest, ALuckyCallIsNoProof) {
  ConcurrencyLimit limit = Warm(16);
  limit.Learn(1, 1, kAlone);
  for (int i = 0; i < 20; ++i) {
    limit.Learn(32, 2, kAlone);
    limit.Learn(32, 2, 2 * kAlone);
  }

  EXPECT_EQ(limit.value(), 2);
}

TEST(ConcurrencyLimitTest, AProviderThatServesManyAtOnceGetsMany) {
  ConcurrencyLimit limit = Warm(16);
  limit.Learn(1, 1, kAlone);
  for (int i = 0; i < 60; ++i) limit.Learn(1, limit.value(), kAlone);

  EXPECT_EQ(limit.value(), 16);
}

TEST(ConcurrencyLimitTest, FallsBackWhenCallsBeginToWait) {
  ConcurrencyLimit limit = Warm(16);
  limit.Learn(1, 1, kAlone);
  for (int i = 0; i < 60; ++i) limit.Learn(1, limit.value(), kAlone);
  for (int i = 0; i < 30; ++i) {
    limit.Learn(1, limit.value(), limit.value() * kAlone);
  }

  EXPECT_EQ(limit.value(), 2);
}

// They take longer for their size, which is no sign of waiting.
TEST(ConcurrencyLimitTest, LargeCallsAreComparedWithLargeCalls) {
  ConcurrencyLimit limit = Warm(16);
  limit.Learn(1, 1, kAlone);
  limit.Learn(1000, 1, 20 * kAlone);
  for (int i = 0; i < 60; ++i) limit.Learn(1000, limit.value(), 20 * kAlone);

  EXPECT_EQ(limit.value(), 16);
}

TEST(ConcurrencyLimitTest, NeverExceedsTheMost) {
  ConcurrencyLimit limit = Warm(1);
  limit.Learn(1, 1, kAlone);
  limit.Learn(1, 2, kAlone);

  EXPECT_EQ(limit.value(), 1);
}

TEST(ConcurrencyLimitTest, NowAndThenACallIsToBeAlone) {
  ConcurrencyLimit limit = Warm(16);
  const auto count_until_alone = [&] {
    int calls = 0;
    for (; limit.value() > 1; ++calls) limit.Learn(1, 2, 2 * kAlone);
    return calls;
  };
  EXPECT_EQ(count_until_alone(), 8);
  limit.Learn(1, 1, kAlone);
  EXPECT_EQ(limit.value(), 2);
  EXPECT_EQ(count_until_alone(), 64);
  // There is none: full calls go out all the time.
  for (int i = 0; i < 8; ++i) limit.Learn(1000, 2, 2 * kAlone);
  EXPECT_EQ(limit.value(), 2);
}

TEST(ConcurrencyLimitTest, TheFirstCallSaysNothingForItHadToConnect) {
  ConcurrencyLimit limit(16);
  limit.Learn(1, 1, 10 * kAlone);
  for (int i = 0; i < 7; ++i) limit.Learn(1, 2, 2 * kAlone);

  EXPECT_EQ(limit.value(), 2);
}

}  // namespace
}  // namespace engram::embedding
