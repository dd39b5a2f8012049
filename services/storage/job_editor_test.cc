// How long jobs wait after a failure. What else the editor does shows in
// job_queue_test.cc, through the calls.

#include "services/storage/job_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace engram::storage {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

TEST(BackoffTest, DoublesWithEachFailureUpToItsCap) {
  const auto seconds = [](int failures) {
    return BackoffUs(2 * kSecondUs, 60 * kSecondUs, failures, 1, failures) /
           kSecondUs;
  };
  EXPECT_EQ(seconds(1), 2);
  EXPECT_EQ(seconds(2), 4);
  EXPECT_EQ(seconds(3), 8);
  EXPECT_EQ(seconds(4) / 2 * 2, 16);
  EXPECT_GE(seconds(6), 60);
  EXPECT_LE(seconds(6), 66);
}

TEST(BackoffTest, AddsUpToATenthWhichDiffersFromJobToJob) {
  std::set<int64_t> waits;
  for (int64_t job = 1; job <= 1000; ++job) {
    const int64_t wait = BackoffUs(kSecondUs, kSecondUs, 1, job, 1);
    EXPECT_GE(wait, kSecondUs);
    EXPECT_LT(wait, kSecondUs + kSecondUs / 10);
    waits.insert(wait);
  }
  EXPECT_GT(waits.size(), 950);
  // Spread over the whole tenth.
  EXPECT_LT(*waits.begin(), kSecondUs + 2000);
  EXPECT_GT(*waits.rbegin(), kSecondUs + 98'000);
}

TEST(BackoffTest, IsTheSameForTheSameAttempt) {
  EXPECT_EQ(BackoffUs(kSecondUs, kSecondUs, 1, 7, 3),
            BackoffUs(kSecondUs, kSecondUs, 1, 7, 3));
  EXPECT_NE(BackoffUs(kSecondUs, kSecondUs, 1, 7, 3),
            BackoffUs(kSecondUs, kSecondUs, 1, 7, 4));
}

TEST(BackoffTest, NeverOverflows) {
  constexpr int64_t kTenYears = int64_t{3650} * 24 * 3600 * kSecondUs;
  const int64_t wait = BackoffUs(kTenYears, kTenYears, 1000, 1, 1);
  EXPECT_GE(wait, kTenYears);
  EXPECT_LE(wait, kTenYears + kTenYears / 10);
}

TEST(BackoffTest, OfNothingIsNothing) {
  EXPECT_EQ(BackoffUs(0, kSecondUs, 5, 1, 1), 0);
  EXPECT_EQ(BackoffUs(kSecondUs, 0, 5, 1, 1), 0);
}

}  // namespace
}  // namespace engram::storage
