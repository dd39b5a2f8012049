#include "services/embedding/caller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "libs/clock/testing/fake_timers.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::embedding {
namespace {

using engram::testing::FakeTimers;
using engram::testing::StatusIs;

TEST(CallerTest, TellsOnceThatItLeaves) {
  Caller caller(absl::InfiniteFuture());
  int told = 0;
  int forgotten = 0;
  caller.OnLeave([&] { ++told; });
  caller.Forget(caller.OnLeave([&] { ++forgotten; }));

  caller.Leave();
  caller.Leave();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(forgotten, 0);

  // Too late to be told later.
  caller.OnLeave([&] { ++told; });
  EXPECT_EQ(told, 2);
}

TEST(CallerTest, AllLeaveWithTheLastAndAreAsPatientAsTheMostPatient) {
  const absl::Time now = absl::Now();
  const auto a = std::make_shared<Caller>(now + absl::Seconds(1));
  const auto b = std::make_shared<Caller>(now + absl::Seconds(3));
  const auto all = Caller::AllOf({a, b});

  EXPECT_EQ(all->deadline(), now + absl::Seconds(3));
  a->Extend(now + absl::Seconds(5));
  EXPECT_EQ(all->deadline(), now + absl::Seconds(5));
  a->Leave();
  EXPECT_OK(all->StillWaits(now));
  EXPECT_THAT(all->StillWaits(now + absl::Seconds(5)),
              StatusIs(absl::StatusCode::kCancelled, "deadline"));
  b->Leave();
  EXPECT_THAT(all->StillWaits(now), StatusIs(absl::StatusCode::kCancelled));
}

TEST(CallerTest, APauseEndsInTimeOrWithItsCaller) {
  FakeTimers timers;
  const auto caller = std::make_shared<Caller>(absl::InfiniteFuture());
  int ends = 0;
  const auto pause = [&](absl::Duration length) {
    PauseUntil(timers, caller, timers.clock().Now() + length, [&] { ++ends; });
  };

  pause(absl::Seconds(1));
  timers.Advance(absl::Milliseconds(999));
  EXPECT_EQ(ends, 0);
  timers.Advance(absl::Milliseconds(1));
  EXPECT_EQ(ends, 1);

  pause(absl::Seconds(1));
  caller->Leave();
  EXPECT_EQ(ends, 2);
  timers.Advance(absl::Seconds(1));
  EXPECT_EQ(ends, 2);
}

}  // namespace
}  // namespace engram::embedding
