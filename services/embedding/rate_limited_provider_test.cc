#include "services/embedding/rate_limited_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/clock/testing/fake_timers.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::FakeTimers;
using engram::testing::StatusIs;
using testing::HeldProvider;
using testing::Question;

class RateLimitedProviderTest : public ::testing::Test {
 protected:
  // A call that waits keeps itself until it is answered or given up.
  ~RateLimitedProviderTest() override {
    for (const auto& question : questions_) question->Leave();
  }

  void Limit(RateLimits limits) {
    auto held = std::make_unique<HeldProvider>();
    held_ = held.get();
    provider_ =
        std::make_unique<RateLimitedProvider>(std::move(held), limits, timers_);
  }
  // Asks `count` questions of one text.
  void Ask(int count, const std::string& text = "a") {
    for (int i = 0; i < count; ++i) {
      questions_.push_back(std::make_unique<Question>(
          *provider_, std::vector<std::string>{text}));
    }
  }

  FakeTimers timers_;
  HeldProvider* held_ = nullptr;
  std::unique_ptr<RateLimitedProvider> provider_;
  std::vector<std::unique_ptr<Question>> questions_;
};

TEST_F(RateLimitedProviderTest, WithoutLimitsEverythingGoesOutAtOnce) {
  Limit({});
  Ask(1000);
  EXPECT_EQ(held_->calls(), 1000);
}

TEST_F(RateLimitedProviderTest, RequestsKeepToTheRateAfterABurst) {
  Limit({.requests = 60});
  Ask(100);
  const size_t burst = held_->calls();
  EXPECT_GE(burst, 10);
  EXPECT_LE(burst, 11);
  timers_.Advance(absl::Seconds(20));
  EXPECT_EQ(held_->calls(), burst + 20);
  // Never more than the limit and a burst in any minute.
  timers_.Advance(absl::Seconds(40));
  EXPECT_LE(held_->calls(), 71);
}

TEST_F(RateLimitedProviderTest, ABurstIsEarnedAgain) {
  Limit({.requests = 60});
  Ask(11);
  const size_t before = held_->calls();
  timers_.Advance(absl::Minutes(10));
  Ask(10);
  EXPECT_GE(held_->calls(), before + 10);
}

TEST_F(RateLimitedProviderTest, TokensAreGuessedAndThenCounted) {
  // 396 bytes are guessed at 100 tokens, 10 seconds' worth.
  Limit({.tokens = 600});
  const std::string text(396, 'a');
  Ask(2, text);
  EXPECT_EQ(held_->calls(), 2);
  Ask(1, text);
  EXPECT_EQ(held_->calls(), 2);
  // There were three tokens only.
  held_->Answer(0);
  held_->Answer(1);
  Ask(1, text);
  timers_.Advance(absl::Seconds(11));
  EXPECT_EQ(held_->calls(), 4);
}

TEST_F(RateLimitedProviderTest, AfterA429NothingIsSentUntilItMay) {
  Limit({});
  Ask(2);
  held_->Fail(
      0, WithRetryDelay(absl::ResourceExhaustedError("429"), absl::Seconds(7)));
  Ask(3);
  timers_.Advance(absl::Milliseconds(6999));
  EXPECT_EQ(held_->calls(), 2);
  timers_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(held_->calls(), 5);
}

TEST_F(RateLimitedProviderTest, NothingIsHeldForMoreThanAMinute) {
  Limit({});
  Ask(1);
  held_->Fail(
      0, WithRetryDelay(absl::ResourceExhaustedError("429"), absl::Hours(24)));
  Ask(1);
  timers_.Advance(absl::Minutes(1));
  EXPECT_EQ(held_->calls(), 2);
}

TEST_F(RateLimitedProviderTest, A429HoldsThoseThatWaitForTheirTurnToo) {
  Limit({.requests = 60});
  Ask(12);
  const size_t sent = held_->calls();
  held_->Fail(0, WithRetryDelay(absl::ResourceExhaustedError("429"),
                                absl::Seconds(30)));
  timers_.Advance(absl::Seconds(29));
  EXPECT_EQ(held_->calls(), sent);
  timers_.Advance(absl::Seconds(1));
  EXPECT_EQ(held_->calls(), 12);
}

TEST_F(RateLimitedProviderTest, ATurnBeyondTheDeadlineIsRefusedAtOnce) {
  Limit({.requests = 6});
  Ask(2);
  Question question(*provider_, {"a"}, {},
                    timers_.clock().Now() + absl::Seconds(5));

  EXPECT_THAT(question.status(),
              StatusIs(absl::StatusCode::kResourceExhausted, "rate limit"));
  EXPECT_EQ(RetryDelayOf(question.status()), absl::Seconds(10));
  // And takes nobody's turn.
  Ask(1);
  timers_.Advance(absl::Seconds(10));
  EXPECT_EQ(held_->calls(), 3);
}

TEST_F(RateLimitedProviderTest, ACallerWhoLeavesIsNotSent) {
  Limit({.requests = 6});
  Ask(3);
  const size_t sent = held_->calls();
  questions_.back()->Leave();

  EXPECT_THAT(questions_.back()->status(),
              StatusIs(absl::StatusCode::kCancelled));
  timers_.Advance(absl::Minutes(1));
  EXPECT_EQ(held_->calls(), sent);
}

}  // namespace
}  // namespace engram::embedding
