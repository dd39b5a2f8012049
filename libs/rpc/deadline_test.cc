#include "libs/rpc/deadline.h"

#include <gtest/gtest.h>

namespace engram::rpc {
namespace {

using std::chrono::system_clock;

TEST(DeadlineTest, TimeThatIsLeftComesBack) {
  for (const absl::Duration time :
       {absl::Hours(2), absl::ZeroDuration(), -absl::Hours(2)}) {
    const absl::Duration left = TimeUntil(DeadlineIn(time));
    EXPECT_LE(left, time);
    EXPECT_GT(left, time - absl::Minutes(1));
  }
}

TEST(DeadlineTest, NeverIsLater) {
  EXPECT_GT(TimeUntil(system_clock::time_point::max()),
            absl::Hours(24 * 365 * 100));
  EXPECT_GT(TimeUntil(DeadlineIn(absl::InfiniteDuration())),
            absl::Hours(24 * 365 * 9));
  EXPECT_LT(DeadlineIn(-absl::InfiniteDuration()), system_clock::now());
}

}  // namespace
}  // namespace engram::rpc
