#ifndef ENGRAM_SERVICES_SEARCH_FEED_FOLLOWER_H_
#define ENGRAM_SERVICES_SEARCH_FEED_FOLLOWER_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "libs/position/position.h"
#include "services/search/database_index.h"
#include "services/search/deadline_timer.h"
#include "services/search/index_cache.h"
#include "services/search/position_waiters.h"
#include "services/search/search_metrics.h"
#include "services/search/stream_call.h"

namespace engram::search {

struct FollowerOptions {
  // Holds one folder a database; empty keeps no cache.
  std::string cache_dir;
  // A change is in the cache after this long at the latest; more often costs
  // writes of the whole index.
  absl::Duration save_interval = absl::Minutes(1);
  // Nor are more changes than this applied without a save.
  int64_t save_changes = 100'000;
  // Pauses between tries while storage cannot be reached.
  absl::Duration min_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(5);
  // A feed that says nothing for so long is given up and opened again; storage
  // gives a sign of life every 10 s.
  absl::Duration max_silence = absl::Seconds(30);
};

// ⑧ Keeps one database's indexes equal to storage: loads them from the cache,
// or from a snapshot where the cache or the feed cannot go on, then applies
// changes as they come.
//
// While a snapshot is read again, the old indexes serve; the new ones take
// their place, all at once, when they are exact. While storage is away, they go
// on serving as they are. Progress is saved with the effect it describes, so a
// crash replays and never skips.
//
// Thread-safe. One thread a database: fine for hundreds; many more will want to
// share threads.
class FeedFollower {
 public:
  // How far the follower is, for people and for errors.
  struct Progress {
    // Of the indexes that serve; empty before there are any.
    std::optional<Position> position;
    // The newest that storage told of; empty before it did.
    std::optional<Position> newest;
    // Of a snapshot being read.
    int64_t snapshot_records_read = 0;
    int64_t snapshot_records = 0;
  };

  // `timer` and `metrics` must outlive this object.
  FeedFollower(std::string database, FollowerOptions options,
               const std::shared_ptr<grpc::Channel>& storage,
               DeadlineTimer& timer, SearchMetrics& metrics);
  // Stops.
  ~FeedFollower();

  // Begins to follow, in a thread of its own. Call it once.
  void Start();

  // Ends every wait, stops following and saves the cache. Idempotent.
  void Stop();

  // As Stop, for a database that is deleted: the cache is removed, not saved.
  void Forget();

  const std::string& database() const { return database_; }

  // The indexes that serve; null until the first are loaded.
  std::shared_ptr<const DatabaseIndex> index() const;

  // Whether the indexes have been, since the start, as new as the position that
  // storage told of first. Before that they may miss old writes, so queries
  // must not be answered. Stays true.
  bool HasCaughtUp() const;

  Progress progress() const;

  // Tells of a newer position of the database, from wherever it was heard.
  void HearOf(const Position& newest);

  // Whether `epoch` is one that this follower has heard of as present.
  bool KnowsEpoch(uint64_t epoch) const;

  // Those who wait for a position. They are told only once HasCaughtUp().
  PositionWaiters& waiters() { return waiters_; }

  // Changes that storage has and the indexes do not.
  int64_t LagInChanges() const;
  // Age of the newest change applied, while there is a lag; else 0.
  absl::Duration LagInTime(absl::Time now) const;

 private:
  void Run();
  // Ends every wait and the thread. Returns whether there was one.
  bool EndThread();
  // Follows until the stream ends, for one reason or another, and pauses if
  // the next try should not be made at once.
  void RunOnce();
  absl::Status Follow();
  void LoadCache();
  absl::Status ReadSnapshot();
  absl::Status ReadSnapshotPart(
      const storage::v1::StreamSnapshotResponse& response);
  // Returns when the stream ends, or when attributes are wanted.
  absl::Status WatchChanges();
  // Reads the attributes that a change of schema made incomplete. What fails is
  // tried again after further changes: until then storage answers for them.
  void FillAttributes();
  absl::Status FillAttributesOf(const storage::v1::Collection& collection);
  bool WantsAttributes() const;
  absl::Status ApplyResponse(const storage::v1::WatchChangesResponse& response);
  // Puts the finished snapshot in the place of what served.
  void Publish();
  void TellProgress();
  void SaveIfDue();
  void Save();
  // The indexes that changes go to.
  DatabaseIndex* Target() const;

  const std::string database_;
  const FollowerOptions options_;
  const std::unique_ptr<storage::v1::FeedService::Stub> feed_;
  SearchMetrics& metrics_;
  const absl::Time created_;
  PositionWaiters waiters_;
  StreamCall call_;

  // Used by the follower's thread only, and by Stop once that has ended.
  IndexCache cache_;
  Backoff backoff_;
  bool cache_loaded_ = false;
  bool storage_away_ = false;
  bool needs_snapshot_ = false;
  // The indexes that a snapshot becomes, and where they are exact.
  std::shared_ptr<DatabaseIndex> building_;
  int64_t building_end_ = 0;
  // Attributes are not asked for before this sequence is applied.
  int64_t fill_from_ = 0;
  // What the cache holds.
  std::optional<Position> saved_;
  absl::Time last_save_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<DatabaseIndex> serving_ ABSL_GUARDED_BY(mutex_);
  std::optional<Position> newest_ ABSL_GUARDED_BY(mutex_);
  // The first position that storage told of, in its present epoch.
  std::optional<Position> goal_ ABSL_GUARDED_BY(mutex_);
  bool caught_up_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t snapshot_records_read_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t snapshot_records_ ABSL_GUARDED_BY(mutex_) = 0;

  std::thread thread_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_FEED_FOLLOWER_H_
