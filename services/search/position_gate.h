#ifndef ENGRAM_SERVICES_SEARCH_POSITION_GATE_H_
#define ENGRAM_SERVICES_SEARCH_POSITION_GATE_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/storage/v1/database.grpc.pb.h"
#include "libs/position/position.h"
#include "services/search/database_watcher.h"
#include "services/search/feed_follower.h"
#include "services/search/outgoing_calls.h"

namespace engram::search {

// What calls pass through before they look at an index: it finds the database
// and waits for the position, asking storage where search cannot know. Holds no
// thread. Thread-safe.
class PositionGate {
 public:
  using FollowerCallback =
      absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<FeedFollower>>)>;
  using Callback = absl::AnyInvocable<void(const absl::Status&)>;

  // `watcher` and `calls` must outlive this object and its calls.
  PositionGate(DatabaseWatcher& watcher, OutgoingCalls& calls,
               const std::shared_ptr<grpc::Channel>& storage);

  // Calls back with the database's follower, perhaps before this returns. A
  // database that search has not heard of is asked for at storage, and followed
  // from now on if there is one; else `NotFound`, reason DATABASE_UNKNOWN.
  void FindDatabase(absl::string_view database, absl::Time deadline,
                    FollowerCallback callback);

  // Calls back when `channel` of `follower`'s waiters has reached `position`,
  // with the errors of PositionWaiters::Wait. Storage is asked about an epoch
  // that the follower does not know: if it is not the present one, this is
  // `FailedPrecondition`, reason EPOCH_CHANGED, at once.
  void WaitFor(const std::shared_ptr<FeedFollower>& follower,
               const Position& position, int64_t channel, absl::Time deadline,
               Callback callback);

 private:
  void GetDatabase(
      absl::string_view database, absl::Time deadline,
      absl::AnyInvocable<void(absl::StatusOr<storage::v1::Database>)> callback);

  DatabaseWatcher& watcher_;
  OutgoingCalls& calls_;
  const std::unique_ptr<storage::v1::DatabaseService::Stub> databases_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_POSITION_GATE_H_
