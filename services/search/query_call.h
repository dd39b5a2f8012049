#ifndef ENGRAM_SERVICES_SEARCH_QUERY_CALL_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_CALL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/embedding.pb.h"
#include "engram/search/v1/search.pb.h"
#include "engram/storage/v1/record.pb.h"
#include "services/search/feed_follower.h"
#include "services/search/query_decoder.h"
#include "services/search/search_backend.h"

namespace engram::search {

// One query on its way: each step begins the next, at once or when what it
// waits for has come. Lives as long as something will still call it back.
//
//   database known -> min_position reached -> index -> text embedded ->
//   searched
//     -> records read -> (some vanished: searched for more) -> answered
class QueryCall : public std::enable_shared_from_this<QueryCall> {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  // `done` is called once, with the outcome, after `response` is filled.
  QueryCall(std::shared_ptr<SearchBackend> backend, absl::Time deadline,
            v1::QueryResponse* response, Done done);
  ~QueryCall();

  void Start(const v1::QueryRequest& request);

 private:
  void OnDatabase(absl::StatusOr<std::shared_ptr<FeedFollower>> follower);
  // Waits until `channel` has reached min_position, then goes on with `next`.
  void WaitFor(int64_t channel, void (QueryCall::*next)());
  // Waits for the generation that serves; again, if another one does by then.
  void OnCollectionsKnown();
  void OnFindable();
  absl::Status CheckFingerprint() const;
  void Embed();
  void OnEmbedded(absl::StatusOr<embedding::v1::EmbedResponse> answer);
  absl::Status TakeEmbedding(const embedding::v1::EmbedResponse& answer);
  void SearchSoon();
  void Search();
  void Hydrate(std::vector<Candidate> candidates);
  void OnRecords(std::vector<Candidate> candidates,
                 absl::StatusOr<storage::v1::BatchGetResponse> answer);
  void AddHit(const Candidate& candidate, storage::v1::Record* record);
  // Whether records vanished and there may be others to take their place.
  bool WantsMore() const;
  void Answer();
  void Finish(const absl::Status& status);

  const std::shared_ptr<SearchBackend> backend_;
  const absl::Time deadline_;
  const absl::Time start_;
  v1::QueryResponse* const response_;
  Done done_;

  DecodedQuery query_;
  std::shared_ptr<FeedFollower> follower_;
  // The generation that has reached min_position.
  std::optional<int64_t> findable_generation_;
  std::shared_ptr<Index> index_;
  std::shared_ptr<const ExpiryTable> expiries_;
  // Of the index, as of the first search.
  Position position_;
  // Ready to be searched with.
  std::vector<float> vector_;

  // How many candidates to search for, and whether there were as many.
  int wanted_ = 0;
  bool found_all_wanted_ = false;
  int searches_ = 0;
  // The ids whose records were read, or found to have vanished.
  absl::flat_hash_set<std::string> seen_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_CALL_H_
