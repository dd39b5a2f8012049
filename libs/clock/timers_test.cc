#include "libs/clock/timers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace engram {
namespace {

using ::testing::ElementsAre;

TEST(RealTimersTest, RunsTasksWhenTheyAreDueAndDropsTheCancelled) {
  const auto timers = Timers::MakeReal();
  const absl::Time now = timers->clock().Now();
  std::vector<int> ran;
  absl::Notification done;

  timers->RunAt(now + absl::Milliseconds(9), [&] {
    ran.push_back(3);
    done.Notify();
  });
  const auto dropped =
      timers->RunAt(now + absl::Milliseconds(5), [&] { ran.push_back(2); });
  timers->RunAt(now, [&] { ran.push_back(1); });
  EXPECT_TRUE(timers->Cancel(dropped));
  done.WaitForNotification();

  EXPECT_THAT(ran, ElementsAre(1, 3));
  EXPECT_FALSE(timers->Cancel(dropped));
  EXPECT_GE(timers->clock().Now(), now + absl::Milliseconds(9));
}

TEST(RealTimersTest, EndsWithTasksThatAreNotDue) {
  auto timers = Timers::MakeReal();
  auto held = std::make_shared<int>(1);
  timers->RunAt(absl::InfiniteFuture(), [held] { *held = 2; });

  timers.reset();

  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 1);
}

}  // namespace
}  // namespace engram
