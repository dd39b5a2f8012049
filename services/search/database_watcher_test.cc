#include "services/search/database_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
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

  // Of the one index whose recall is told.
  std::string RecallLabels() const {
    std::string labels;
    for (const auto& family : registry_of_watcher_.Collect()) {
      if (family.name != "engram_search_recall") continue;
      for (const auto& label : family.metric.at(0).label) {
        labels += label.name + "=" + label.value + " ";
      }
    }
    return labels;
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
  // The follower notes that it is current only after it has applied all.
  WaitUntil([&] {
    watcher.UpdateMetrics();
    return metrics_.feed_lag_seconds.Value() == 0;
  });
  EXPECT_EQ(metrics_.vectors.Value(), 2);
  EXPECT_GE(metrics_.index_bytes.Value(), 2 * 4 * sizeof(float));
  EXPECT_EQ(metrics_.feed_lag_changes.Value(), 0);
  EXPECT_EQ(RecallLabels(),
            "collection=notes database=default vector_field=body ");

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

TEST_F(DatabaseWatcherTest, ADeletedDatabaseIsForgottenWithItsCache) {
  const std::string cache = cache_.File("followed");
  DatabaseWatcher watcher(
      {.cache_dir = cache, .save_interval = absl::ZeroDuration()},
      proxy_.channel(), timer_, metrics_);
  watcher.Start();
  storage::v1::DatabaseServiceCreateRequest create;
  create.set_database("tenant");
  storage::v1::DatabaseServiceCreateResponse created;
  grpc::ClientContext creating;
  ASSERT_TRUE(storage_.databases().Create(&creating, create, &created).ok());
  const std::shared_ptr<FeedFollower> follower = watcher.Ensure("tenant");
  WaitUntil([&] { return std::filesystem::exists(cache + "/tenant"); });

  storage::v1::DatabaseServiceDeleteRequest remove;
  remove.set_database("tenant");
  remove.set_confirm("tenant");
  storage::v1::DatabaseServiceDeleteResponse removed;
  grpc::ClientContext removing;
  ASSERT_TRUE(storage_.databases().Delete(&removing, remove, &removed).ok());
  WaitUntil([&] {
    return watcher.Find("tenant") == nullptr &&
           !std::filesystem::exists(cache + "/tenant");
  });
  absl::Status late;
  follower->waiters().Wait(1, 1, PositionWaiters::kApplied,
                           absl::InfiniteFuture(),
                           [&](const absl::Status& status) { late = status; });
  EXPECT_THAT(late, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_NE(watcher.Find("default"), nullptr);
}

TEST_F(DatabaseWatcherTest, AFullDiskCostsASaveAndNothingElse) {
  const std::string cache = cache_.File("followed");
  DatabaseWatcher watcher(
      {.cache_dir = cache, .save_interval = absl::ZeroDuration()},
      proxy_.channel(), timer_, metrics_);
  watcher.Start();
  WaitUntilFollowed(watcher);
  // Its end, too, which removes what it does not know.
  WaitUntil([&] { return metrics_.cache_saves.Value() > 0; });
  // What the next save would write to, whichever number it has.
  std::vector<std::string> full;
  for (int save = 1; save < 10; ++save) {
    full.push_back(absl::StrCat(cache, "/default/", save, "-collections"));
    std::error_code exists;
    std::filesystem::create_symlink("/dev/full", full.back(), exists);
    if (exists) full.pop_back();
  }
  Write("a", "a");
  EmbedPending();
  WaitUntilFollowed(watcher);
  WaitUntil([&] { return metrics_.cache_save_failures.Value() > 0; });
  const auto vectors = [&] {
    return (*watcher.Find("default")->index()->Find("notes", ""))
        ->Stats()
        .vectors;
  };
  EXPECT_EQ(vectors(), 1);
  const double saves = metrics_.cache_saves.Value();
  for (const std::string& path : full) std::filesystem::remove(path);
  Write("b", "b");
  EmbedPending();
  WaitUntilFollowed(watcher);
  EXPECT_EQ(vectors(), 2);
  WaitUntil([&] { return metrics_.cache_saves.Value() > saves; });
}

TEST_F(DatabaseWatcherTest, ADeletionThatWasMissedIsSeenWhenStorageIsBack) {
  DatabaseWatcher watcher({}, proxy_.channel(), timer_, metrics_);
  watcher.Start();
  WaitUntilFollowed(watcher);
  proxy_.GoAway();
  // Heard of before, and not in storage's list now.
  ASSERT_NE(watcher.Ensure("tenant"), nullptr);
  proxy_.ComeBack();
  WaitUntil([&] { return watcher.Find("tenant") == nullptr; });
  EXPECT_NE(watcher.Find("default"), nullptr);
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
  options.threads = -1;
  EXPECT_THAT(options.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "threads: -1 is not between 0 and 256"));
  options = {};
  options.cache_save_interval = absl::Milliseconds(1);
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           "cache-save-interval: 1ms"));
}

}  // namespace
}  // namespace engram::search
