#include "services/embedding/retrying_provider.h"

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
using ::testing::ElementsAre;
using testing::HeldProvider;
using testing::Question;

class RetryingProviderTest : public ::testing::Test {
 protected:
  FakeTimers timers_;
  HeldProvider* held_ = new HeldProvider;
  RetryingProvider provider_{std::unique_ptr<Provider>(held_), timers_};
};

TEST_F(RetryingProviderTest, TriesAgainWhatMayPassAfterAPause) {
  Question question(provider_, {"a"});
  const absl::Status errors[] = {
      absl::UnavailableError("down"), absl::DeadlineExceededError("slow"),
      absl::ResourceExhaustedError("busy"), absl::InternalError("malformed")};
  for (size_t i = 0; i < 4; ++i) {
    held_->Fail(i, errors[i]);
    EXPECT_EQ(held_->calls(), i + 1);
    timers_.Advance(absl::Seconds(10));
    ASSERT_EQ(held_->calls(), i + 2);
  }
  held_->Answer(4);

  EXPECT_OK(question.status());
}

TEST_F(RetryingProviderTest, PausesAreSomewhatRandomAndGrow) {
  Question question(provider_, {"a"});
  held_->Fail(0, absl::UnavailableError("down"));
  timers_.Advance(absl::Milliseconds(49));
  EXPECT_EQ(held_->calls(), 1);
  timers_.Advance(absl::Milliseconds(51));
  ASSERT_EQ(held_->calls(), 2);

  held_->Fail(1, absl::UnavailableError("down"));
  timers_.Advance(absl::Milliseconds(99));
  EXPECT_EQ(held_->calls(), 2);
  timers_.Advance(absl::Milliseconds(101));
  EXPECT_EQ(held_->calls(), 3);
}

TEST_F(RetryingProviderTest, WaitsAsLongAsItIsAskedTo) {
  Question question(provider_, {"a"});
  held_->Fail(
      0, WithRetryDelay(absl::ResourceExhaustedError("429"), absl::Seconds(7)));
  timers_.Advance(absl::Milliseconds(6999));
  EXPECT_EQ(held_->calls(), 1);
  timers_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(held_->calls(), 2);
}

TEST_F(RetryingProviderTest, GivesUpAfterFiveTriesWithTheFirstError) {
  Question question(provider_, {"a"});
  held_->Fail(0, absl::UnavailableError("the disk burns"));
  for (size_t i = 1; i < 5; ++i) {
    timers_.Advance(absl::Seconds(10));
    held_->Fail(i, absl::UnavailableError("not called"));
  }

  EXPECT_THAT(question.status(),
              StatusIs(absl::StatusCode::kUnavailable, "the disk burns"));
  timers_.Advance(absl::Minutes(1));
  EXPECT_EQ(held_->calls(), 5);
}

TEST_F(RetryingProviderTest, WhatCannotPassIsNotTriedAgain) {
  const absl::Status errors[] = {
      absl::InvalidArgumentError("too long"), absl::AbortedError("another"),
      absl::FailedPreconditionError("key"), absl::CancelledError("gone")};
  for (const absl::Status& error : errors) {
    Question question(provider_, {"a"});
    held_->Fail(held_->calls() - 1, error);
    EXPECT_EQ(question.status(), error);
  }
}

TEST_F(RetryingProviderTest, OnlyTheTextsThatFailedGoAgain) {
  Question question(provider_, {"a", "b", "c"});
  held_->Answer(0, {EmbeddedText{.vector = testing::TextVector("a", 4)},
                    absl::UnavailableError("down"),
                    EmbeddedText{.vector = testing::TextVector("c", 4)}});
  timers_.Advance(absl::Seconds(1));

  EXPECT_THAT(held_->texts(1), ElementsAre("b"));
  held_->Answer(1);
  EXPECT_OK(question.status());
}

TEST_F(RetryingProviderTest, APauseBeyondTheDeadlineIsNotBegun) {
  Question question(provider_, {"a"}, {},
                    timers_.clock().Now() + absl::Seconds(5));
  held_->Fail(
      0, WithRetryDelay(absl::ResourceExhaustedError("429"), absl::Seconds(7)));

  EXPECT_THAT(question.status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(RetryDelayOf(question.status()), absl::Seconds(7));
}

TEST_F(RetryingProviderTest, ACallerWhoLeavesEndsThePause) {
  Question question(provider_, {"a"});
  held_->Fail(0, absl::UnavailableError("down"));
  EXPECT_FALSE(question.is_answered());
  question.Leave();

  EXPECT_TRUE(question.is_answered());
  timers_.Advance(absl::Minutes(1));
  EXPECT_EQ(held_->calls(), 1);
}

}  // namespace
}  // namespace engram::embedding
