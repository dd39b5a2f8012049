#ifndef ENGRAM_SERVICES_SEARCH_DATABASE_WATCHER_H_
#define ENGRAM_SERVICES_SEARCH_DATABASE_WATCHER_H_

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "engram/storage/v1/database.grpc.pb.h"
#include "services/search/deadline_timer.h"
#include "services/search/feed_follower.h"
#include "services/search/search_metrics.h"
#include "services/search/stream_call.h"

namespace engram::search {

// Learns of every database from storage and keeps a follower for each.
//
// A database is followed until storage says that it is deleted, or does not
// name it when the watch begins anew; then it is forgotten, its cache too.
// Thread-safe.
class DatabaseWatcher {
 public:
  // `timer` and `metrics` must outlive this object.
  DatabaseWatcher(FollowerOptions options,
                  std::shared_ptr<grpc::Channel> storage, DeadlineTimer& timer,
                  SearchMetrics& metrics);
  // Stops.
  ~DatabaseWatcher();

  // Begins to watch, in a thread of its own. Call it once.
  void Start();

  // Stops watching and every follower, and saves their caches. Idempotent.
  void Stop();

  // Returns a database's follower; null if the database has not been heard of.
  // One that is forgotten meanwhile has stopped.
  std::shared_ptr<FeedFollower> Find(absl::string_view database) const;

  // Returns the follower of a database that storage is known to have, and
  // begins to follow it if need be. Null once stopped.
  std::shared_ptr<FeedFollower> Ensure(absl::string_view database);

  // By name.
  std::vector<std::shared_ptr<FeedFollower>> followers() const;

  // Whether every database that storage first told of has caught up. Stays
  // true: later lag and later databases do not change it.
  bool HasCaughtUp() const;

  // Memory of the indexes of all databases.
  int64_t MemoryBytes() const;

  // Brings the gauges up to date.
  void UpdateMetrics() const;

 private:
  void Run();
  // Watches until the stream ends, then pauses.
  void RunOnce();
  void Hear(const storage::v1::WatchDatabasesResponse& response);
  // Forgets those of `before` that the first message of a watch does not name.
  void ForgetOthers(const std::vector<std::shared_ptr<FeedFollower>>& before,
                    const storage::v1::WatchDatabasesResponse& first_response);
  void Forget(const std::string& database);

  const FollowerOptions options_;
  const std::shared_ptr<grpc::Channel> storage_;
  const std::unique_ptr<storage::v1::DatabaseService::Stub> databases_;
  DeadlineTimer& timer_;
  SearchMetrics& metrics_;
  StreamCall call_;
  // Used by the watcher's thread only.
  Backoff backoff_;
  bool storage_away_ = false;

  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<FeedFollower>> followers_
      ABSL_GUARDED_BY(mutex_);
  // Those of the first message, but for those forgotten since.
  std::vector<std::shared_ptr<FeedFollower>> first_ ABSL_GUARDED_BY(mutex_);
  bool heard_ ABSL_GUARDED_BY(mutex_) = false;
  mutable bool caught_up_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DATABASE_WATCHER_H_
