#include "libs/rpc/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::rpc {
namespace {

using ::engram::testing::StatusIs;

TEST(ThreadPoolTest, RunsEveryTaskBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool(4, 1000);
    for (int i = 0; i < 1000; ++i) ASSERT_OK(pool.Submit([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPoolTest, RefusesWhatItCannotQueue) {
  absl::Notification started;
  absl::Notification release;
  ThreadPool pool(1, 1);
  ASSERT_OK(pool.Submit([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  ASSERT_OK(pool.Submit([] {}));
  const absl::Status refused = pool.Submit([] {});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_OVERLOADED);
  release.Notify();
}

}  // namespace
}  // namespace engram::rpc
