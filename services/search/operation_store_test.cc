#include "services/search/operation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::StatusIs;
using State = OperationView::State;

class OperationStoreTest : public ::testing::Test {
 protected:
  std::optional<OperationView> WaitUntil(absl::Time deadline,
                                         const std::string& name) {
    std::optional<OperationView> result;
    absl::Notification called;
    store_.Wait(name, deadline, [&](std::optional<OperationView> view) {
      result = std::move(view);
      called.Notify();
    });
    called.WaitForNotification();
    return result;
  }

  DeadlineTimer timer_;
  engram::testing::FakeClock clock_;
  OperationStore store_{timer_, clock_, 3};
};

TEST_F(OperationStoreTest, ShowsProgressAndTheResult) {
  const auto handle = store_.Start("verify-index", "vectors");
  EXPECT_EQ(handle->name(), "verify-index-1");
  handle->SetProgress(3, 10);
  auto view = *store_.Get("verify-index-1");
  EXPECT_EQ(view.state, State::kRunning);
  EXPECT_EQ(view.done, 3);
  EXPECT_EQ(view.total, 10);
  EXPECT_EQ(view.unit, "vectors");
  EXPECT_EQ(view.end_time, absl::InfiniteFuture());
  clock_.Advance(absl::Seconds(5));
  handle->Finish(OperationResult{"type", "bytes"});
  view = *store_.Get("verify-index-1");
  EXPECT_EQ(view.state, State::kSucceeded);
  EXPECT_EQ(view.result, "bytes");
  EXPECT_EQ(view.result_type, "type");
  EXPECT_EQ(view.end_time - view.create_time, absl::Seconds(5));
}

TEST_F(OperationStoreTest, AWaitEndsWithTheOperation) {
  const auto handle = store_.Start("verify-index", "vectors");
  std::thread worker([&] { handle->Finish(absl::DataLossError("broken")); });
  const auto view = WaitUntil(absl::InfiniteFuture(), handle->name());
  worker.join();
  EXPECT_EQ(view->state, State::kFailed);
  EXPECT_THAT(view->error, StatusIs(absl::StatusCode::kDataLoss, "broken"));
  EXPECT_EQ(WaitUntil(absl::InfiniteFuture(), handle->name())->state,
            State::kFailed);
}

TEST_F(OperationStoreTest, AWaitEndsAtItsDeadlineWithTheOperationAsItIs) {
  const auto handle = store_.Start("verify-index", "vectors");
  EXPECT_EQ(WaitUntil(absl::Now(), handle->name())->state, State::kRunning);
  EXPECT_FALSE(WaitUntil(absl::InfiniteFuture(), "other-9").has_value());
}

TEST_F(OperationStoreTest, CancelReachesTheWorkAndAnEndedOneStaysAsItIs) {
  const auto handle = store_.Start("verify-index", "vectors");
  bool told = false;
  handle->OnCancel([&] { told = true; });
  EXPECT_FALSE(handle->IsCancelled());
  EXPECT_EQ(store_.Cancel(handle->name())->state, State::kRunning);
  EXPECT_TRUE(told);
  EXPECT_TRUE(handle->IsCancelled());
  handle->Finish(absl::CancelledError("cancelled"));
  EXPECT_EQ(store_.Get(handle->name())->state, State::kCancelled);

  const auto done = store_.Start("verify-index", "vectors");
  done->Finish(OperationResult{});
  EXPECT_EQ(store_.Cancel(done->name())->state, State::kSucceeded);
  EXPECT_FALSE(store_.Cancel("other-9").has_value());
}

TEST_F(OperationStoreTest, KeepsTheLastOnesThatEndedAndAllThatRun) {
  const auto running = store_.Start("verify-index", "vectors");
  for (int i = 0; i < 5; ++i) {
    store_.Start("verify-index", "vectors")->Finish(OperationResult{});
  }
  EXPECT_FALSE(store_.Get("verify-index-3").has_value());
  EXPECT_TRUE(store_.Get("verify-index-4").has_value());
  EXPECT_TRUE(store_.Get(running->name()).has_value());
  ASSERT_EQ(store_.List().size(), 4);
  EXPECT_EQ(store_.List().front().name, "verify-index-6");
}

TEST_F(OperationStoreTest, AbandonedWorkHasFailed) {
  const std::string name = store_.Start("verify-index", "vectors")->name();
  EXPECT_EQ(store_.Get(name)->state, State::kFailed);
}

TEST_F(OperationStoreTest, StopCancelsTheWorkAndEndsTheWaits) {
  const auto handle = store_.Start("verify-index", "vectors");
  std::optional<OperationView> answer;
  store_.Wait(handle->name(), absl::InfiniteFuture(),
              [&](std::optional<OperationView> view) { answer = view; });
  store_.Stop();
  EXPECT_TRUE(handle->IsCancelled());
  EXPECT_EQ(answer->state, State::kRunning);
}

}  // namespace
}  // namespace engram::search
