#include "services/search/recall_sampler.h"

#include <gtest/gtest.h>

#include <vector>

namespace engram::search {
namespace {

constexpr absl::Duration kSearch = absl::Microseconds(50);
const std::vector<float> kQuery = {1, 2};

class RecallSamplerTest : public ::testing::Test {
 protected:
  void Offer(absl::Duration pause = absl::ZeroDuration(), int limit = 10) {
    now_ += pause;
    sampler_.Offer(kQuery, limit, 0.95, kSearch, now_);
  }
  // Records `count` samples, each of 10 of which `found` are found.
  void Record(int count, int found, double target_recall = 0.95) {
    for (int i = 0; i < count; ++i) {
      sampler_.Record({.limit = 10, .target_recall = target_recall}, found, 10,
                      absl::ZeroDuration());
    }
  }

  RecallSampler sampler_{0.01};
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
};

TEST_F(RecallSamplerTest, KeepsASearchAsItWas) {
  EXPECT_FALSE(sampler_.Take().has_value());
  Offer(absl::ZeroDuration(), 7);
  const auto sample = sampler_.Take();
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ(sample->query, kQuery);
  EXPECT_EQ(sample->limit, 7);
  EXPECT_EQ(sample->target_recall, 0.95);
  EXPECT_FALSE(sampler_.Take().has_value());
}

TEST_F(RecallSamplerTest, SamplesTakeAHundredthOfTheTimeOfSearches) {
  constexpr absl::Duration kCost = absl::Milliseconds(1);
  absl::Duration searched, sampled;
  for (int i = 0; i < 1'000'000; ++i) {
    Offer();  // As fast as they come: what time alone gives is not seen.
    searched += kSearch;
    if (const auto sample = sampler_.Take(); sample.has_value()) {
      sampler_.Record(*sample, 10, 10, kCost);
      sampled += kCost;
    }
  }
  EXPECT_NEAR(sampled / absl::Milliseconds(1), 0.01 * (searched / kCost), 2);
}

TEST_F(RecallSamplerTest, ARarelyAskedIndexIsKnownTooForAThousandthOfACore) {
  constexpr absl::Duration kCost = absl::Milliseconds(20);
  int samples = 0;
  for (int i = 0; i < 3600; ++i) {
    Offer(absl::Seconds(1));
    const auto sample = sampler_.Take();
    if (!sample.has_value()) continue;
    ++samples;
    // That it showed nothing makes it no cheaper.
    sampler_.Record(*sample, 0, 0, kCost);
  }
  EXPECT_NEAR(samples, 3600 * 0.001 / 0.020, 3);
  EXPECT_EQ(sampler_.measured().samples, 0);
}

TEST_F(RecallSamplerTest, AQuietNightIsNotSpentAtOnce) {
  Offer(absl::Hours(12));
  int samples = 0;
  for (int i = 0; i < 100; ++i) {
    if (const auto sample = sampler_.Take(); sample.has_value()) {
      ++samples;
      sampler_.Record(*sample, 10, 10, absl::Milliseconds(5));
    }
    Offer();
  }
  EXPECT_LE(samples, 3);
}

TEST_F(RecallSamplerTest, RecallIsThatOfTheNewestSamples) {
  EXPECT_EQ(sampler_.measured().recall, 1);
  Record(500, 5);
  EXPECT_DOUBLE_EQ(sampler_.measured().recall, 0.5);
  EXPECT_EQ(sampler_.measured().samples, 500);
  Record(500, 10);
  EXPECT_DOUBLE_EQ(sampler_.measured().recall, 0.75);
  Record(500, 10);  // Those of 5 are forgotten.
  EXPECT_DOUBLE_EQ(sampler_.measured().recall, 1);
  EXPECT_EQ(sampler_.measured().samples, 1000);
  EXPECT_EQ(sampler_.measured().all_samples, 1500);
}

TEST_F(RecallSamplerTest, WhereTooMuchIsMissedSearchesBecomeWider) {
  Record(31, 7);
  EXPECT_EQ(sampler_.factor(), 1);  // Too few to tell.
  Record(1, 7);
  const double once = sampler_.factor();
  EXPECT_GT(once, 1.2);
  EXPECT_LT(once, 2);
  Record(32 * 20, 7);
  EXPECT_EQ(sampler_.factor(), RecallSampler::kMaxFactor);
}

TEST_F(RecallSamplerTest,
       WhereMoreIsFoundThanIsWantedTheyBecomeNarrowerSlowly) {
  Record(32, 10);
  EXPECT_LT(sampler_.factor(), 1);
  EXPECT_GE(sampler_.factor(), 0.8);
  Record(32 * 100, 10);
  EXPECT_EQ(sampler_.factor(), RecallSampler::kMinFactor);
}

TEST_F(RecallSamplerTest, AtTheTargetTheyStayAsTheyAre) {
  for (int i = 0; i < 1000; ++i) Record(1, i % 2 == 0 ? 10 : 9);
  EXPECT_NEAR(sampler_.factor(), 1, 0.05);
  // To each its own target.
  for (int i = 0; i < 1000; ++i) Record(1, i % 2 == 0 ? 10 : 8, 0.9);
  EXPECT_NEAR(sampler_.factor(), 1, 0.05);
}

TEST_F(RecallSamplerTest, WhereAllSearchesAreScansTheyBecomeNarrowerAgain) {
  Record(32 * 20, 5);
  ASSERT_EQ(sampler_.factor(), RecallSampler::kMaxFactor);
  for (int i = 0; i < 32; ++i) sampler_.Scanned(0.95);
  EXPECT_LT(sampler_.factor(), RecallSampler::kMaxFactor);
  for (int i = 0; i < 3200; ++i) sampler_.Scanned(0.95);
  // As wide as the curve says, then it is the curve that wants scans.
  EXPECT_LE(sampler_.factor(), 1);
  EXPECT_GE(sampler_.factor(), 0.8);
}

TEST_F(RecallSamplerTest, AnotherCurveIsTrustedHalf) {
  Record(200, 2);
  const double factor = sampler_.factor();
  ASSERT_GT(factor, 4);
  sampler_.TrustCurve();
  EXPECT_NEAR(sampler_.factor() * sampler_.factor(), factor, 1e-9);
}

TEST_F(RecallSamplerTest, AClockThatWasSetIsForgotten) {
  Offer();
  sampler_.Record(*sampler_.Take(), 10, 10, absl::Hours(1000));
  int samples = 0;
  for (int i = 0; i < 100'000; ++i) {
    Offer(absl::Seconds(1));
    if (const auto sample = sampler_.Take(); sample.has_value()) {
      sampler_.Record(*sample, 10, 10, absl::Milliseconds(1));
      ++samples;
    }
  }
  EXPECT_GT(samples, 1000);
}

}  // namespace
}  // namespace engram::search
