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
  void Record(int count, int found) {
    for (int i = 0; i < count; ++i) {
      sampler_.Record({.limit = 10}, found, 10, absl::ZeroDuration());
    }
  }
  // Those that an index has soon.
  void RecordFirst() {
    for (int i = 0; i < RecallSampler::kFirstSamples; ++i) {
      sampler_.Record({}, 0, 0, absl::ZeroDuration());
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
  RecordFirst();
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
  RecordFirst();
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

TEST_F(RecallSamplerTest, TheFirstSamplesAreTakenTenTimesAsOften) {
  constexpr absl::Duration kCost = absl::Milliseconds(20);
  int seconds = 0;
  for (int samples = 0; samples < RecallSampler::kFirstSamples; ++seconds) {
    Offer(absl::Seconds(1));
    if (const auto sample = sampler_.Take(); sample.has_value()) {
      ++samples;
      sampler_.Record(*sample, 10, 10, kCost);
    }
  }
  EXPECT_NEAR(seconds, RecallSampler::kFirstSamples * 0.020 / 0.01, 3);
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

TEST_F(RecallSamplerTest, TheNewestQueriesAreKept) {
  EXPECT_TRUE(sampler_.queries().empty());
  const auto record = [&](float value, int wanted) {
    sampler_.Record({.query = {value}}, wanted, wanted, absl::ZeroDuration());
  };
  constexpr int kQueries = RecallSampler::kMaxQueries;
  for (int i = 0; i < kQueries + 5; ++i) record(static_cast<float>(i), 10);
  record(-1, 0);  // Of which nothing was learned.
  const std::vector<std::vector<float>> queries = sampler_.queries();
  ASSERT_EQ(queries.size(), kQueries);
  EXPECT_EQ(queries.front(), std::vector<float>{5});
  EXPECT_EQ(queries.back(), std::vector<float>{kQueries + 4});
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
