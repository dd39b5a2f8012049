#ifndef ENGRAM_SERVICES_SEARCH_INDEX_REBUILDER_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_REBUILDER_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "services/search/database_index.h"
#include "services/search/deadline_timer.h"
#include "services/search/feed_follower.h"
#include "services/search/index_optimizer.h"
#include "services/search/memory_budget.h"
#include "services/search/operation_store.h"
#include "services/search/search_metrics.h"
#include "services/search/stream_call.h"

namespace engram::search {

// Reads a database's indexes from storage anew while the present ones serve and
// go on changing: a snapshot and a feed of its own, beside the follower's. What
// is read gets its graphs and the changes since, and then takes the place of
// what serves, at once, at a position no older.
//
// Until that very moment nothing that goes wrong here changes what serves.
// Blocks the thread that runs it. Used once.
class IndexRebuilder {
 public:
  // All must outlive this object.
  IndexRebuilder(storage::v1::FeedService::Stub& feed, DeadlineTimer& timer,
                 SearchMetrics& metrics, MemoryBudget& memory,
                 IndexOptimizer& optimizer, FeedFollower& follower,
                 OperationHandle& operation);
  // Lets the operation's cancellation go.
  ~IndexRebuilder();

  // Runs the rebuild. `Cancelled` when the operation is; `Aborted` when the
  // database was restored meanwhile, or the changes since the snapshot are not
  // kept any more; `Unavailable` when storage cannot be reached;
  // `ResourceExhausted` when the new indexes do not fit beside the present
  // ones.
  absl::Status Run();

 private:
  class Changes;

  absl::Status Rebuild();
  void BuildGraphs(const DatabaseIndex& indexes) const;
  // Brings the indexes of `changes` close to what storage has, to `end` at
  // least.
  static absl::Status CatchUp(Changes& changes, int64_t end);

  storage::v1::FeedService::Stub& feed_;
  SearchMetrics& metrics_;
  MemoryBudget& memory_;
  IndexOptimizer& optimizer_;
  FeedFollower& follower_;
  OperationHandle& operation_;
  StreamCall call_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_REBUILDER_H_
