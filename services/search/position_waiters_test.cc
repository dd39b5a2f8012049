#include "services/search/position_waiters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;

constexpr uint64_t kEpoch = 7;
constexpr uint64_t kNextEpoch = 8;
constexpr int64_t kGeneration = 3;

class PositionWaitersTest : public ::testing::Test {
 protected:
  // The answer of a wait, once it has come.
  struct Answer {
    std::optional<absl::Status> status;
  };

  std::shared_ptr<Answer> Wait(int64_t sequence, uint64_t epoch = kEpoch,
                               int64_t channel = kGeneration) {
    auto answer = std::make_shared<Answer>();
    waiters_.Wait(epoch, sequence, channel, absl::InfiniteFuture(),
                  [answer](const absl::Status& status) {
                    ASSERT_FALSE(answer->status.has_value()) << "called twice";
                    answer->status = status;
                  });
    return answer;
  }

  absl::Status WaitUntil(absl::Time deadline, int64_t sequence) {
    absl::Notification called;
    absl::Status result;
    waiters_.Wait(kEpoch, sequence, kGeneration, deadline,
                  [&](const absl::Status& status) {
                    result = status;
                    called.Notify();
                  });
    called.WaitForNotification();
    return result;
  }

  DeadlineTimer timer_;
  PositionWaiters waiters_{"default", timer_, 100};
};

TEST_F(PositionWaitersTest, WhatIsReachedAnswersAtOnce) {
  waiters_.Advance(kEpoch, {{kGeneration, 5}});
  EXPECT_THAT(*Wait(5)->status, IsOk());
  EXPECT_THAT(*Wait(0)->status, IsOk());
}

TEST_F(PositionWaitersTest, AWaitEndsWhenItsChannelGetsThere) {
  const auto five = Wait(5);
  const auto six = Wait(6);
  const auto applied = Wait(5, kEpoch, PositionWaiters::kApplied);
  waiters_.Advance(kEpoch, {{kGeneration, 4}, {PositionWaiters::kApplied, 9}});
  EXPECT_FALSE(five->status.has_value());
  EXPECT_THAT(*applied->status, IsOk());
  waiters_.Advance(kEpoch, {{kGeneration, 5}, {PositionWaiters::kApplied, 9}});
  EXPECT_THAT(*five->status, IsOk());
  EXPECT_FALSE(six->status.has_value());
}

TEST_F(PositionWaitersTest, ANewEpochEndsTheWaitsForTheOneBefore) {
  waiters_.Advance(kEpoch, {{kGeneration, 4}});
  const auto ended = Wait(100);
  const auto next = Wait(2, kNextEpoch);
  waiters_.Advance(kNextEpoch, {{kGeneration, 1}});
  EXPECT_THAT(*ended->status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(*ended->status), common::v1::ERROR_REASON_EPOCH_CHANGED);
  EXPECT_FALSE(next->status.has_value());
  waiters_.Advance(kNextEpoch, {{kGeneration, 2}});
  EXPECT_THAT(*next->status, IsOk());
}

TEST_F(PositionWaitersTest, AHigherNumberOfAnotherEpochIsNotThePosition) {
  const auto next = Wait(2, kNextEpoch);
  waiters_.Advance(kEpoch, {{kGeneration, 1000}});
  EXPECT_FALSE(next->status.has_value());
}

TEST_F(PositionWaitersTest, TheDeadlineSaysHowFarTheIndexIs) {
  EXPECT_THAT(WaitUntil(absl::Now(), 9),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "still loading"));
  waiters_.Advance(kEpoch, {{kGeneration, 4}});
  EXPECT_THAT(WaitUntil(absl::Now(), 9),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "up to default@0000000000000007.4 "));
}

TEST_F(PositionWaitersTest, StopEndsEveryWaitAndThoseThatCome) {
  const auto before = Wait(5);
  waiters_.Stop();
  EXPECT_THAT(*before->status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(*Wait(5)->status, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(PositionWaitersTest, MoreWaitsThanAllowedAreRefused) {
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(Wait(1));
  EXPECT_THAT(*Wait(1)->status, StatusIs(absl::StatusCode::kResourceExhausted));
  waiters_.Advance(kEpoch, {{kGeneration, 1}});
  for (const auto& answer : answers) EXPECT_THAT(*answer->status, IsOk());
}

// Its generation was replaced, or its collection dropped.
TEST_F(PositionWaitersTest, AnIndexThatIsGoneHoldsNobodyBack) {
  PositionWaiters waiters("default", timer_);
  std::optional<absl::Status> answer;
  waiters.Advance(kEpoch, {{kGeneration, 3}, {PositionWaiters::kApplied, 7}});
  waiters.Wait(kEpoch, 8, kGeneration, absl::InfiniteFuture(),
               [&](const absl::Status& status) { answer = status; });
  waiters.Advance(kEpoch, {{PositionWaiters::kApplied, 7}});
  EXPECT_FALSE(answer.has_value());
  waiters.Advance(kEpoch, {{PositionWaiters::kApplied, 8}});
  ASSERT_TRUE(answer.has_value());
  EXPECT_OK(*answer);
}

TEST_F(PositionWaitersTest, EveryWaitIsAnsweredOnceBesideAdvancesAndDeadlines) {
  constexpr int kWaits = 400;
  std::atomic<int> answered = 0;
  absl::BlockingCounter all(kWaits);
  PositionWaiters waiters("default", timer_);
  std::thread advancer([&] {
    for (int i = 1; i <= 200; ++i) waiters.Advance(kEpoch, {{kGeneration, i}});
  });
  for (int i = 0; i < kWaits; ++i) {
    waiters.Wait(kEpoch, i, kGeneration, absl::Now() + absl::Microseconds(i),
                 [&](const absl::Status&) {
                   ++answered;
                   all.DecrementCount();
                 });
  }
  advancer.join();
  all.Wait();
  EXPECT_EQ(answered, kWaits);
}

TEST(DeadlineTimerTest, RunsInTheOrderOfTimeAndNotWhatWasCancelled) {
  std::vector<int> order;
  absl::Notification last;
  {
    DeadlineTimer timer;
    const absl::Time start = absl::Now() + absl::Milliseconds(5);
    timer.At(start + absl::Microseconds(2), [&] {
      order.push_back(2);
      last.Notify();
    });
    timer.At(start + absl::Microseconds(1), [&] { order.push_back(1); });
    timer.Cancel(timer.At(start, [&] { order.push_back(0); }));
    timer.At(start + absl::Hours(1), [&] { order.push_back(3); });
    last.WaitForNotification();
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace engram::search
