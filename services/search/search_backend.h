#ifndef ENGRAM_SERVICES_SEARCH_SEARCH_BACKEND_H_
#define ENGRAM_SERVICES_SEARCH_SEARCH_BACKEND_H_

#include <grpcpp/channel.h>
#include <grpcpp/server_context.h>

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/embedding.grpc.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "engram/storage/v1/passage.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "libs/rpc/thread_pool.h"
#include "services/search/database_watcher.h"
#include "services/search/deadline_timer.h"
#include "services/search/index_optimizer.h"
#include "services/search/memory_budget.h"
#include "services/search/operation_store.h"
#include "services/search/outgoing_calls.h"
#include "services/search/position_gate.h"
#include "services/search/search_metrics.h"
#include "services/search/search_options.h"

namespace engram::search {

// The services that search calls.
struct SearchPeers {
  std::shared_ptr<grpc::Channel> storage;
  std::shared_ptr<grpc::Channel> embedding;
};

// What the RPC edges work with. Later members use those before.
struct SearchBackend {
  // `timer` and `metrics` must outlive this object.
  SearchBackend(const SearchOptions& options, const SearchPeers& peers,
                DeadlineTimer& timer, SearchMetrics& metrics);

  // Returns when a call must end: its client's deadline or the default.
  absl::Time DeadlineOf(const grpc::CallbackServerContext& context) const;

  const SearchOptions options;
  DeadlineTimer& timer;
  SearchMetrics& metrics;
  const std::unique_ptr<storage::v1::RecordService::Stub> records;
  const std::unique_ptr<storage::v1::VectorService::Stub> vectors;
  const std::unique_ptr<storage::v1::PassageService::Stub> passages;
  const std::unique_ptr<storage::v1::FeedService::Stub> feed;
  const std::unique_ptr<embedding::v1::EmbeddingService::Stub> embedding;
  OperationStore operations;
  MemoryBudget memory;
  DatabaseWatcher watcher;
  IndexOptimizer optimizer;
  OutgoingCalls calls;
  PositionGate gate;
  // Searches that take long.
  rpc::ThreadPool search_pool;
  // The work of operations.
  rpc::ThreadPool operation_pool;
};

// Lends the backend to calls, from Open to Close. Thread-safe.
class BackendSlot {
 public:
  // Call it once. `backend` must outlive the calls that borrow it.
  void Open(SearchBackend* backend);

  // Lends to no more calls.
  void Close();

  // Returns whether every call has given the backend back, waiting up to
  // `timeout` for that. After Close.
  bool WaitForCalls(absl::Duration timeout) const;

  // Returns the backend for the duration of one call. Null before Open and
  // after Close; answer NotServingError() then.
  std::shared_ptr<SearchBackend> Borrow() const;

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<SearchBackend> backend_ ABSL_GUARDED_BY(mutex_);
  absl::Notification all_given_back_;
};

// `Unavailable`: this process does not serve yet or any more.
absl::Status NotServingError();

// `Unavailable`, reason INDEX_NOT_READY, with the progress that was made.
absl::Status NotReadyError(const FeedFollower& follower);

// An index that can be queried.
struct ReadyIndex {
  // What it is a part of; its position has the index's epoch.
  std::shared_ptr<const DatabaseIndex> database;
  std::shared_ptr<Index> index;
};

// Finds an index that can be queried. NotReadyError before the database has
// caught up; `NotFound` and others of DatabaseIndex::Find.
absl::StatusOr<ReadyIndex> FindReadyIndex(const FeedFollower& follower,
                                          absl::string_view collection,
                                          absl::string_view vector_field);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SEARCH_BACKEND_H_
