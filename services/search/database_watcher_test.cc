#include "services/search/database_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "absl/synchronization/notification.h"
#include "libs/position/position.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/search_options.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;

class DatabaseWatcherTest : public SearchTest {
 protected:
  DatabaseWatcherTest() : metrics_(registry_of_watcher_) {}

  // Waits until all that storage has can be found.
  void WaitUntilFollowed(DatabaseWatcher& watcher) {
    ASSERT_OK_AND_ASSIGN(const Position newest, Position::Parse(Newest()));
    absl::Notification reached;
    watcher.Ensure("default")->waiters().Wait(
        newest.epoch, newest.sequence, PositionWaiters::kAllIndexes,
        absl::InfiniteFuture(), [&](const absl::Status& status) {
          EXPECT_THAT(status, IsOk());
          reached.Notify();
        });
    reached.WaitForNotification();
  }

  prometheus::Registry registry_of_watcher_;
  SearchMetrics metrics_;
  DeadlineTimer timer_;
};

TEST_F(DatabaseWatcherTest, TellsSizeAndLag) {
  DatabaseWatcher watcher({}, proxy_.channel(), timer_, metrics_);
  watcher.Start();
  Write("a", "a");
  Write("b", "b");
  EmbedPending();
  WaitUntilFollowed(watcher);
  watcher.UpdateMetrics();
  EXPECT_EQ(metrics_.vectors.Value(), 2);
  EXPECT_GE(metrics_.index_bytes.Value(), 2 * 4 * sizeof(float));
  EXPECT_EQ(metrics_.feed_lag_changes.Value(), 0);
  EXPECT_EQ(metrics_.feed_lag_seconds.Value(), 0);

  proxy_.HoldFeed();
  Delete("a");
  Delete("b");
  ASSERT_OK_AND_ASSIGN(const Position newest, Position::Parse(Newest()));
  watcher.Find("default")->HearOf(newest);
  watcher.UpdateMetrics();
  EXPECT_EQ(metrics_.feed_lag_changes.Value(), 2);
  EXPECT_GT(metrics_.feed_lag_seconds.Value(), 0);
  proxy_.ReleaseFeed();
  WaitUntilFollowed(watcher);
  watcher.UpdateMetrics();
  EXPECT_EQ(metrics_.vectors.Value(), 0);
  EXPECT_EQ(metrics_.feed_lag_changes.Value(), 0);
}

TEST_F(DatabaseWatcherTest, FollowsNothingMoreOnceStopped) {
  DatabaseWatcher watcher({}, proxy_.channel(), timer_, metrics_);
  watcher.Start();
  WaitUntilFollowed(watcher);
  watcher.Stop();
  EXPECT_EQ(watcher.Ensure("other"), nullptr);
  EXPECT_EQ(watcher.Find("other"), nullptr);
}

TEST(SearchOptionsTest, TheDefaultsAreValidAndMistakesAreNamed) {
  SearchOptions options;
  EXPECT_THAT(options.Validate(), IsOk());
  options.search_threads = 0;
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           "search-threads: 0 is not between "
                                           "1 and 256"));
  options = {};
  options.cache_save_interval = absl::Milliseconds(1);
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           "cache-save-interval: 1ms"));
}

}  // namespace
}  // namespace engram::search
