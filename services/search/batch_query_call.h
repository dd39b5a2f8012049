#ifndef ENGRAM_SERVICES_SEARCH_BATCH_QUERY_CALL_H_
#define ENGRAM_SERVICES_SEARCH_BATCH_QUERY_CALL_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/deadline_timer.h"
#include "services/search/query_decoder.h"
#include "services/search/query_starter.h"
#include "services/search/search_backend.h"

namespace engram::search {

// The most queries of one BatchQuery.
inline constexpr int kMaxBatchQueries = 64;

// Several queries on their way, side by side: none waits for another, and
// shortly before the call's deadline those that are done are answered, however
// long the others take. Their searches run on the search pool, whose queue
// bounds them; one that finds it full has that for its error. Lives as long as
// one of them is under way, which may be longer than the call.
class BatchQueryCall : public std::enable_shared_from_this<BatchQueryCall> {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  // `response` must live until `done` is called, which is once.
  BatchQueryCall(std::shared_ptr<SearchBackend> backend, CallTimes times,
                 v1::BatchQueryResponse* response, Done done);

  // Call it once; looks at `request` only until it returns.
  void Start(const v1::BatchQueryRequest& request);

 private:
  void StartQueries();
  bool HasEnded();
  void OnAnswer(int query, const absl::Status& status);
  // The time is over: what has no answer by now has that for its error.
  void EndLate();

  const std::shared_ptr<SearchBackend> backend_;
  const CallTimes times_;
  Done done_;
  // Set before the first query starts.
  DeadlineTimer::Ticket ticket_;
  std::vector<absl::StatusOr<DecodedQuery>> queries_;
  // What each query fills, perhaps after the call has ended.
  std::vector<v1::QueryResponse> responses_;

  absl::Mutex mutex_;
  // Of the call; not touched any more once that has ended.
  v1::BatchQueryResponse* const response_ ABSL_PT_GUARDED_BY(mutex_);
  // Queries without an answer.
  int missing_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of what the answers may take together.
  size_t bytes_left_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_BATCH_QUERY_CALL_H_
