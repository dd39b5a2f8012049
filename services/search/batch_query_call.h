#ifndef ENGRAM_SERVICES_SEARCH_BATCH_QUERY_CALL_H_
#define ENGRAM_SERVICES_SEARCH_BATCH_QUERY_CALL_H_

#include <atomic>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/query_starter.h"
#include "services/search/search_backend.h"
#include "services/search/text_embedding.h"

namespace engram::search {

// The most queries of one BatchQuery.
inline constexpr int kMaxBatchQueries = 64;

// Several queries on their way, side by side: none waits for another, but the
// answer for all. Their searches run on the search pool, whose queue bounds
// them; one that finds it full has that for its error. Lives as long as one of
// them is under way.
class BatchQueryCall : public std::enable_shared_from_this<BatchQueryCall> {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  // `request` and `response` must live until `done` is called, which is once.
  BatchQueryCall(std::shared_ptr<SearchBackend> backend, CallTimes times,
                 const v1::BatchQueryRequest& request,
                 v1::BatchQueryResponse* response, Done done);

  void Start();

 private:
  void StartQueries();
  void OnAnswer(v1::BatchQueryAnswer& answer, const absl::Status& status);

  const std::shared_ptr<SearchBackend> backend_;
  const CallTimes times_;
  const v1::BatchQueryRequest& request_;
  v1::BatchQueryResponse* const response_;
  Done done_;
  // Queries without an answer.
  std::atomic<int> missing_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_BATCH_QUERY_CALL_H_
