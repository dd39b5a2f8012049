#include "services/search/search_backend.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/clock/clock.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::search {
namespace {

// An operation reads a whole database, or searches for all of its records: two
// at a time, so that a long one does not hold up a rebuild, and few that wait.
// They yield to queries, and where they build a graph, one after the other
// does.
constexpr int kOperationThreads = 2;
constexpr int kMaxQueuedOperations = 16;

FollowerOptions FollowerOptionsOf(const SearchOptions& options,
                                  MemoryBudget& memory) {
  FollowerOptions follower;
  follower.cache_dir = options.cache_dir;
  follower.save_interval = options.cache_save_interval;
  follower.save_changes = options.cache_save_changes;
  follower.memory = &memory;
  return follower;
}

std::string TextOf(const std::optional<Position>& position) {
  return position.has_value() ? position->ToString() : "none";
}

}  // namespace

SearchBackend::SearchBackend(const SearchOptions& options,
                             const SearchPeers& peers, DeadlineTimer& timer,
                             SearchMetrics& metrics)
    : options(options),
      timer(timer),
      metrics(metrics),
      records(storage::v1::RecordService::NewStub(peers.storage)),
      vectors(storage::v1::VectorService::NewStub(peers.storage)),
      passages(storage::v1::PassageService::NewStub(peers.storage)),
      feed(storage::v1::FeedService::NewStub(peers.storage)),
      embedding(embedding::v1::EmbeddingService::NewStub(peers.embedding)),
      operations(timer, Clock::Real()),
      memory(options.max_index_bytes > 0 ? options.max_index_bytes
                                         : DefaultMaxIndexBytes(),
             [this] { return watcher.MemoryBytes(); }),
      watcher(FollowerOptionsOf(options, memory), peers.storage, timer,
              metrics),
      optimizer(watcher, options.ThreadCount()),
      gate(watcher, calls, peers.storage),
      search_pool(options.ThreadCount(), options.search_queue),
      operation_pool(kOperationThreads, kMaxQueuedOperations) {}

absl::Time SearchBackend::DeadlineOf(
    const grpc::CallbackServerContext& context) const {
  return rpc::DeadlineOf(context, options.search_timeout);
}

void BackendSlot::Open(SearchBackend* backend) {
  absl::MutexLock lock(&mutex_);
  // The last one to let go tells; nothing is deleted.
  backend_ = std::shared_ptr<SearchBackend>(
      backend, [this](SearchBackend*) { all_given_back_.Notify(); });
}

void BackendSlot::Close() {
  std::shared_ptr<SearchBackend> last;  // Let go without the lock.
  absl::MutexLock lock(&mutex_);
  last.swap(backend_);
}

bool BackendSlot::WaitForCalls(absl::Duration timeout) const {
  return all_given_back_.WaitForNotificationWithTimeout(timeout);
}

std::shared_ptr<SearchBackend> BackendSlot::Borrow() const {
  absl::MutexLock lock(&mutex_);
  return backend_;
}

absl::Status NotServingError() {
  return absl::UnavailableError("search is starting or stopping");
}

absl::Status NotReadyError(const FeedFollower& follower) {
  const FeedFollower::Progress progress = follower.progress();
  const std::string position = TextOf(progress.position);
  const std::string newest = TextOf(progress.newest);
  const std::string read = absl::StrCat(progress.snapshot_records_read);
  const std::string total = absl::StrCat(progress.snapshot_records);
  std::string message = absl::StrCat(
      "the index of database \"", follower.database(),
      "\" is catching up: it is at ", position, ", storage at ", newest);
  if (progress.snapshot_records > 0) {
    absl::StrAppend(&message, "; ", read, " of about ", total,
                    " records are read");
  }
  if (!progress.refusal.empty()) {
    absl::StrAppend(&message,
                    "; it does not fit into memory: ", progress.refusal);
  }
  return WithRetryDelay(
      MakeError(absl::StatusCode::kUnavailable,
                common::v1::ERROR_REASON_INDEX_NOT_READY, message,
                {{"database", follower.database()},
                 {"position", position},
                 {"newest_position", newest},
                 {"snapshot_records_read", read},
                 {"snapshot_records", total}}),
      absl::Milliseconds(500));
}

absl::StatusOr<ReadyIndex> FindReadyIndex(const FeedFollower& follower,
                                          absl::string_view collection,
                                          absl::string_view vector_field) {
  if (!follower.HasCaughtUp()) return NotReadyError(follower);
  ReadyIndex ready;
  ready.database = follower.index();
  ASSIGN_OR_RETURN(ready.index, ready.database->Find(collection, vector_field));
  return ready;
}

}  // namespace engram::search
