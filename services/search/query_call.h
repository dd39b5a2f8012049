#ifndef ENGRAM_SERVICES_SEARCH_QUERY_CALL_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_CALL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/embedding.pb.h"
#include "engram/search/v1/search.pb.h"
#include "engram/storage/v1/record.pb.h"
#include "services/search/feed_follower.h"
#include "services/search/hit_records.h"
#include "services/search/query_decoder.h"
#include "services/search/query_explanation.h"
#include "services/search/result_groups.h"
#include "services/search/search_backend.h"
#include "services/search/text_embedding.h"

namespace engram::search {

// One query on its way: each step begins the next, at once or when what it
// waits for has come. Lives as long as something will still call it back.
//
//   database known -> min_position reached -> index, filter read -> text
//   embedded -> facets counted -> searched -> (records read, or storage asked
//   for the filter: some vanished, or do not meet it, or their groups are full:
//   searched for more; or few meet it: storage lists them, and they are
//   searched) -> (texts of hits read) -> answered
class QueryCall : public std::enable_shared_from_this<QueryCall> {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  // `done` is called once, with the outcome, after `response` is filled.
  QueryCall(std::shared_ptr<SearchBackend> backend, absl::Time deadline,
            v1::QueryResponse* response, Done done,
            EmbeddingRules embedding = {});
  ~QueryCall();

  // Tells in `generation`, before `done` is called with OK, whose vectors were
  // searched. Call it before Start.
  void TellGeneration(int64_t* generation) { told_generation_ = generation; }

  // Finishes at once with the error of `query`, if it is one.
  void Start(absl::StatusOr<DecodedQuery> query);

 private:
  // What storage lists; once that is all which meets the filter, nothing else
  // is searched.
  enum class Listing { kNot, kUnderWay, kComplete, kGivenUp };

  void OnDatabase(absl::StatusOr<std::shared_ptr<FeedFollower>> follower);
  // Waits until `channel` has reached min_position, then goes on with `next`.
  void WaitFor(int64_t channel, void (QueryCall::*next)());
  // Waits for the generation that serves; again, if another one does by then.
  void OnCollectionsKnown();
  void OnFindable();
  // By the names of the collection as they are now.
  absl::Status ReadFilterOfQuery();
  absl::Status CheckFingerprint() const;
  void Embed();
  void OnEmbedded(absl::StatusOr<embedding::v1::EmbedResponse> answer);
  absl::Status TakeEmbedding(const embedding::v1::EmbedResponse& answer);
  // Whether the index can do what the query asks for.
  absl::Status CheckMetric() const;
  // Makes the vector of the records that the query names.
  absl::Status TakeExamples();
  bool IsShort() const;
  void SearchSoon();
  void Search();
  // The candidates, of those that meet the filter as far as that is known here.
  absl::StatusOr<SearchResult> SearchIndex();
  // Counts the facets.
  absl::Status AddFacets();
  // Calls `visit` with the records that may meet the filter.
  absl::Status FindRows(absl::Time now,
                        absl::FunctionRef<void(const MatchingRows&)> visit);
  // The same as a search of those rows. `is_current` says what has not expired.
  SearchResult SearchMatching(const MatchingRows& rows, RowFilter is_current);
  // Of the index, as exactly as the query wants it. The filter lets about that
  // share of the records through.
  SearchResult SearchNearest(RowFilter filter, double share) const;
  // The same of the records that storage listed.
  SearchResult SearchListed(RowFilter is_current);
  // From now on storage is asked which candidates meet the filter.
  void WantCandidates();
  // Queues what was found and is new, in the order in which it is to be taken.
  void AddCandidates(std::vector<Candidate> candidates);
  // Takes the next of the candidates that may become hits, `most` or fewer;
  // none if it takes another search.
  std::vector<Candidate> NextCandidates(int most);
  // Makes hits of them, without asking storage.
  void TakeHits();
  // Asks storage about the next of the candidates.
  void AskStorage();
  void OnRecords(std::vector<Candidate> asked,
                 absl::StatusOr<HitRecords> records);
  // Whether to have storage list all that meets the filter is expected to take
  // less of it than to ask it about further candidates.
  bool PrefersListing() const;
  // Has it list their ids, from `page_token` on.
  void List(const std::string& page_token);
  void OnListed(absl::StatusOr<storage::v1::RecordServiceListResponse> answer);
  // Searches for more, if there may be more, or answers.
  void SearchFurther();
  // How many candidates to ask about at once.
  int BatchSize() const;
  // False if the candidate is not what it was.
  bool AddHit(const Candidate& candidate, storage::v1::Record* record);
  // Whether it is not known of candidates that they meet the filter.
  bool asks_for_filter() const {
    return asks_storage_ && listing_ != Listing::kComplete;
  }
  // 1 compares with every vector.
  double target_recall() const {
    return query_.exact ? 1 : query_.target_recall;
  }
  // How many hits it takes, with those that `offset` leaves out.
  int needed() const { return query_.offset + query_.limit; }
  int missing() const { return needed() - response_->hits_size(); }
  void Answer();
  // Reads the texts of the hits, then answers.
  void ReadPassageTexts();
  void FinishAnswer();
  void Finish(const absl::Status& status);

  const std::shared_ptr<SearchBackend> backend_;
  const absl::Time deadline_;
  v1::QueryResponse* const response_;
  const EmbeddingRules embedding_;
  Done done_;
  int64_t* told_generation_ = nullptr;

  DecodedQuery query_;
  std::shared_ptr<FeedFollower> follower_;
  // The generation that has reached min_position.
  std::optional<int64_t> findable_generation_;
  std::shared_ptr<Index> index_;
  std::shared_ptr<const ExpiryTable> expiries_;
  // Null if the collection's schema cannot be read here: then storage reads the
  // filter, too.
  std::shared_ptr<const AttributeColumns> attributes_;
  ReadFilter filter_;
  // Of the index, as of the first search.
  Position position_;
  // Ready to be searched with.
  std::vector<float> vector_;

  // How many candidates to search for, and whether there were as many.
  int wanted_ = 0;
  bool found_all_wanted_ = false;
  int searches_ = 0;
  // Whether only storage can tell which candidates meet the filter.
  bool asks_storage_ = false;
  // How many records may meet the filter, as far as that is known here, and how
  // many candidates storage was asked about.
  int64_t may_match_ = 0;
  int64_t asked_ = 0;
  // Candidates that were found and storage is to be asked about, best first.
  std::deque<Candidate> candidates_;
  Listing listing_ = Listing::kNot;
  std::vector<std::string> listed_ids_;
  // The ids of all that there were, and of those that are not to be found.
  absl::flat_hash_set<std::string> seen_;
  // If the query groups.
  std::optional<ResultGroups> groups_;
  // How it went so far.
  QueryExplanation explanation_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_CALL_H_
