#ifndef ENGRAM_SERVICES_SEARCH_FEED_FOLLOWER_H_
#define ENGRAM_SERVICES_SEARCH_FEED_FOLLOWER_H_

#include <grpcpp/channel.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "libs/position/position.h"
#include "services/search/database_index.h"
#include "services/search/deadline_timer.h"
#include "services/search/feed_lag.h"
#include "services/search/index_cache.h"
#include "services/search/memory_budget.h"
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
  // What indexes may take; null is no limit. Must outlive the follower.
  MemoryBudget* memory = nullptr;
  // The pause before what did not fit is read again.
  absl::Duration memory_backoff = absl::Minutes(1);
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
    // Why the cache or the last snapshot was given up, if it did not fit into
    // memory.
    std::string refusal;
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
  // How long ago the indexes that serve were last known to have everything; 0
  // while they do. It grows while changes wait and while nothing is heard.
  absl::Duration Lag() const;

  // Claims the rebuild that may be under way: null while another one is. The
  // claim ends with what is returned.
  std::shared_ptr<void> ClaimRebuild();

  // Puts `indexes`, which are exact at their position, in the place of those
  // that serve, at once, and goes on with them. Changes wait meanwhile: where
  // the indexes are behind those that serve, `follow_to` must bring them to the
  // sequence that it is told. Then the cache is saved. An error leaves what
  // serves as it is: that of `follow_to`, `Aborted` if the two are of different
  // epochs, `Unavailable` once stopped.
  absl::Status Replace(
      std::shared_ptr<DatabaseIndex> indexes,
      absl::FunctionRef<absl::Status(int64_t sequence)> follow_to)
      ABSL_LOCKS_EXCLUDED(apply_mutex_);

 private:
  void Run();
  // Ends every wait and the thread. Returns whether there was one.
  bool EndThread();
  // Follows until the stream ends, for one reason or another, and pauses if
  // the next try should not be made at once.
  void RunOnce();
  // Says that what was to be loaded does not fit, and pauses for longer: to
  // read a snapshot costs storage much.
  void Refuse(const absl::Status& status);
  absl::Status Follow();
  // Begins with what the cache holds, if it holds anything. `ResourceExhausted`
  // with the numbers if that does not fit; the cache stays for another try.
  absl::Status LoadCache();
  absl::Status ReadSnapshot();
  // Claims no memory yet.
  void BeginClaim();
  // Returns when the stream ends, or when attributes are wanted.
  absl::Status WatchChanges();
  // Reads the attributes that a change of schema made incomplete. What fails is
  // tried again after further changes: until then storage answers for them.
  void FillAttributes();
  absl::Status FillAttributesOf(DatabaseIndex& target,
                                const storage::v1::Collection& collection);
  bool WantsAttributes() const;
  absl::Status ApplyResponse(const storage::v1::WatchChangesResponse& response);
  // Whether the indexes that a snapshot became are exact, and as new as those
  // that serve.
  bool IsBuilt() const;
  // Puts `indexes` in the place of what served, and saves them.
  void Publish(std::shared_ptr<DatabaseIndex> indexes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mutex_);
  void TellProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mutex_);
  void SaveIfDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mutex_);
  void Save() ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mutex_);
  // The indexes that changes go to; null before there are any.
  std::shared_ptr<DatabaseIndex> Target() const;
  std::shared_ptr<DatabaseIndex> serving() const;
  int64_t LagInChangesLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string database_;
  const FollowerOptions options_;
  const std::unique_ptr<storage::v1::FeedService::Stub> feed_;
  SearchMetrics& metrics_;
  PositionWaiters waiters_;
  StreamCall call_;

  // Used by the follower's thread only.
  Backoff backoff_;
  bool cache_loaded_ = false;
  bool storage_away_ = false;
  bool needs_snapshot_ = false;
  // The indexes that a snapshot becomes, and where they are exact.
  std::shared_ptr<DatabaseIndex> building_;
  int64_t building_end_ = 0;
  // What served when it began.
  std::weak_ptr<DatabaseIndex> replaced_;
  std::unique_ptr<MemoryBudget::Claim> building_memory_;
  // Attributes are not asked for before this sequence is applied.
  int64_t fill_from_ = 0;

  // Held while changes are applied, so that nothing is applied to what serves
  // while other indexes take its place.
  mutable absl::Mutex apply_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  IndexCache cache_ ABSL_GUARDED_BY(apply_mutex_);
  // What the cache holds.
  std::optional<Position> saved_ ABSL_GUARDED_BY(apply_mutex_);
  // By a clock that nobody sets: set back, it would put off the next one.
  std::chrono::steady_clock::time_point last_save_
      ABSL_GUARDED_BY(apply_mutex_);

  mutable absl::Mutex mutex_;
  std::shared_ptr<DatabaseIndex> serving_ ABSL_GUARDED_BY(mutex_);
  std::optional<Position> newest_ ABSL_GUARDED_BY(mutex_);
  // The first position that storage told of, in its present epoch.
  std::optional<Position> goal_ ABSL_GUARDED_BY(mutex_);
  bool caught_up_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t snapshot_records_read_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t snapshot_records_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string refusal_ ABSL_GUARDED_BY(mutex_);
  FeedLag lag_ ABSL_GUARDED_BY(mutex_);
  // Of the rebuild under way, while there is one.
  std::weak_ptr<void> rebuild_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_FEED_FOLLOWER_H_
