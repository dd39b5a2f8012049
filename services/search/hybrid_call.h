#ifndef ENGRAM_SERVICES_SEARCH_HYBRID_CALL_H_
#define ENGRAM_SERVICES_SEARCH_HYBRID_CALL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/search/v1/search.pb.h"
#include "engram/storage/v1/record.pb.h"
#include "services/search/keyword_search.h"
#include "services/search/query_decoder.h"
#include "services/search/query_starter.h"
#include "services/search/rank_fusion.h"
#include "services/search/search_backend.h"
#include "services/search/text_embedding.h"

namespace engram::search {

// One hybrid query on its way. Lives as long as something will still call it
// back.
//
//   searched by meaning (query_call) beside by words (keyword_search) -> both
//   there, or meaning done without -> fused -> (records read: some vanished, or
//   do not meet the filter: the next ones read) -> (texts of hits read)
//   -> answered
class HybridCall : public std::enable_shared_from_this<HybridCall> {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  // `done` is called once, with the outcome, after `response` is filled.
  HybridCall(std::shared_ptr<SearchBackend> backend, CallTimes times,
             DecodedQuery query, v1::QueryResponse* response,
             std::shared_ptr<TextGatherer> gatherer, Done done);
  ~HybridCall();

  void Start();

 private:
  void SearchByMeaning();
  void SearchByWords();
  // One of the two has come; the later one goes on.
  void OnSemantic(const absl::Status& status);
  void OnKeyword(absl::StatusOr<KeywordResult> result);
  void OnBoth();
  // Whether the query does without the semantic list; says so in the answer.
  bool Degrade();
  void Fuse();
  // Reads the next of the fused records, until there are enough.
  void ReadRecords();
  void OnRecords(size_t asked,
                 absl::StatusOr<storage::v1::BatchGetResponse> answer);
  void AddHit(const ScoredId& fused, storage::v1::Record* record);
  // How many hits it takes, with those that `offset` leaves out.
  int needed() const { return query_.offset + query_.limit; }
  int missing() const { return needed() - response_->hits_size(); }
  void Answer();
  // Reads the texts of the hits that the semantic list has, then answers.
  void ReadPassageTexts();
  void FinishAnswer();
  void Explain();

  const std::shared_ptr<SearchBackend> backend_;
  const CallTimes times_;
  const DecodedQuery query_;
  v1::QueryResponse* const response_;
  const std::shared_ptr<TextGatherer> gatherer_;
  Done done_;

  // Filled before its status comes; and whose vectors were searched.
  v1::QueryResponse semantic_;
  int64_t generation_ = 0;

  absl::Mutex mutex_;
  // What has come; not guarded any more once both have.
  std::optional<absl::Status> semantic_status_;
  std::optional<absl::StatusOr<KeywordResult>> keyword_;

  // Best first, and the first that has not been read yet.
  std::vector<ScoredId> fused_;
  size_t next_ = 0;
  absl::Time fused_time_;
  absl::Time hydrated_time_;
  // By id, what the semantic list knows of a record. Into `semantic_`.
  absl::flat_hash_map<absl::string_view, const v1::Hit*> semantic_hits_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_HYBRID_CALL_H_
