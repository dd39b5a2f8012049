#include "services/embedding/circuit_breaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/clock/testing/fake_clock.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::FakeClock;
using engram::testing::StatusIs;
using testing::HeldProvider;
using testing::Question;

class CircuitBreakerTest : public ::testing::Test {
 protected:
  // Asks, and lets the call end with `status` if it passes; how it ended.
  absl::Status Ask(const absl::Status& status) {
    Question question(breaker_, {"a"});
    if (!question.is_answered()) {
      if (status.ok()) {
        held_->Answer(held_->calls() - 1);
      } else {
        held_->Fail(held_->calls() - 1, status);
      }
    }
    return question.status();
  }
  void Open() {
    for (int i = 0; i < 5; ++i) {
      Ask(absl::UnavailableError("the disk burns")).IgnoreError();
    }
  }
  size_t calls() const { return held_->calls(); }

  const absl::Status ok_;
  const absl::Status down_ = absl::UnavailableError("down");
  FakeClock clock_;
  HeldProvider* held_ = new HeldProvider;
  CircuitBreaker breaker_{std::unique_ptr<Provider>(held_), clock_};
};

TEST_F(CircuitBreakerTest, OpensAfterFiveFailuresInARow) {
  for (int i = 0; i < 4; ++i) Ask(down_).IgnoreError();
  EXPECT_OK(Ask(ok_));
  Ask(absl::DeadlineExceededError("slow")).IgnoreError();
  Ask(absl::InternalError("malformed")).IgnoreError();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Ask(down_), StatusIs(absl::StatusCode::kUnavailable, "down"));
  }
  EXPECT_EQ(calls(), 10);

  const absl::Status refused = Ask(ok_);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable,
                                "5 calls in a row failed: down"));
  EXPECT_EQ(RetryDelayOf(refused), absl::Seconds(1));
  EXPECT_EQ(calls(), 10);
}

TEST_F(CircuitBreakerTest, OneCallFindsOutWhetherItWorksAgain) {
  Open();
  clock_.Advance(absl::Seconds(1));
  Question probe(breaker_, {"a"});
  ASSERT_EQ(calls(), 6);
  // The others wait for its outcome.
  EXPECT_THAT(Ask(ok_), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(calls(), 6);
  held_->Answer(5);

  EXPECT_OK(Ask(ok_));
  EXPECT_OK(Ask(ok_));
}

TEST_F(CircuitBreakerTest, StaysOpenTwiceAsLongEachTimeUpToHalfAMinute) {
  Open();
  for (const int seconds : {1, 2, 4, 8, 16, 30, 30}) {
    const size_t before = calls();
    clock_.Advance(absl::Seconds(seconds) - absl::Milliseconds(1));
    Ask(down_).IgnoreError();
    EXPECT_EQ(calls(), before) << seconds;
    clock_.Advance(absl::Milliseconds(1));
    Ask(down_).IgnoreError();
    EXPECT_EQ(calls(), before + 1) << seconds;
  }
  clock_.Advance(absl::Seconds(30));
  EXPECT_OK(Ask(ok_));
  // From the beginning again.
  for (int i = 0; i < 4; ++i) Ask(down_).IgnoreError();
  EXPECT_OK(Ask(ok_));
}

TEST_F(CircuitBreakerTest, WhatSaysNothingOfTheEndpointChangesNothing) {
  for (int i = 0; i < 10; ++i) {
    Ask(absl::ResourceExhaustedError("429")).IgnoreError();
    Ask(absl::CancelledError("gone")).IgnoreError();
  }
  EXPECT_OK(Ask(ok_));
  Open();
  clock_.Advance(absl::Seconds(1));
  // The one that was let through was not sent: the next one is.
  Ask(absl::CancelledError("gone")).IgnoreError();
  EXPECT_OK(Ask(ok_));
}

TEST_F(CircuitBreakerTest, ARefusedTextProvesThatItWorks) {
  for (int i = 0; i < 4; ++i) Ask(down_).IgnoreError();
  Ask(absl::InvalidArgumentError("too long")).IgnoreError();
  for (int i = 0; i < 4; ++i) Ask(down_).IgnoreError();
  EXPECT_OK(Ask(ok_));
}

TEST_F(CircuitBreakerTest, CallsFromBeforeItOpenedAreOldNews) {
  Question old(breaker_, {"a"});
  Open();
  held_->Answer(0);
  EXPECT_OK(old.status());
  EXPECT_THAT(Ask(ok_), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace engram::embedding
