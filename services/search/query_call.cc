#include "services/search/query_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"
#include "services/search/result_page.h"

namespace engram::search {
namespace {

// A scan of so much takes well under 200 us, the most that gRPC's own threads
// may be kept busy for.
constexpr int64_t kMaxInlineSearchBytes = 1 << 20;

// A filter over the attributes of so many records takes no longer.
constexpr int64_t kMaxInlineRecords = 1024;

// Where storage must be asked for a filter: how many candidates for each record
// that is missing, and at least how many.
constexpr int kCandidatesForOne = 4;
constexpr int kMinCandidates = 64;

// As much takes to make a vector of so many examples.
constexpr size_t kMaxInlineExamples = 8;

// How many candidates for each hit diverse ones are chosen from.
constexpr int kCandidatesForDiverse = 4;

// How often a filter is read again because the schema changed meanwhile.
constexpr int kMaxReads = 5;

absl::Status NoModelError() {
  return InvalidField("text",
                      "cannot be embedded: clients bring the vectors of this "
                      "vector field, which no model here makes; give a vector "
                      "instead");
}

// Says what the failure of a query's embedding is to the query's caller; one
// that `can_do_without` needs to know only that there is no vector now.
absl::Status EmbeddingError(const absl::Status& status, const IndexSpec& spec,
                            bool can_do_without) {
  const absl::Status missing = MakeError(
      absl::StatusCode::kUnavailable,
      common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE,
      absl::StrCat("the text cannot be embedded now, query by vector or "
                   "retry: ",
                   status.message()),
      {{"model", spec.model}});
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      // What embedding calls `texts[0]` is the query's text.
      return InvalidField("text",
                          absl::StripPrefix(status.message(), "texts[0]: "));
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
      if (can_do_without) return missing;
      return WithContext(status, "embed the text");
    case absl::StatusCode::kCancelled:
      return WithContext(status, "embed the text");
    case absl::StatusCode::kNotFound:
      return MakeError(
          absl::StatusCode::kFailedPrecondition,
          common::v1::ERROR_REASON_MODEL_UNKNOWN,
          absl::StrCat("the embedding service does not offer model \"",
                       spec.model,
                       "\", which made the index's vectors; "
                       "configure it there, or query by vector"),
          {{"model", spec.model}});
    default:
      return missing;
  }
}

// How the index did it by itself.
v1::Explanation::Strategy StrategyOf(const SearchResult& result) {
  return result.cost.width > 0 ? v1::Explanation::STRATEGY_GRAPH
                               : v1::Explanation::STRATEGY_SCAN;
}

}  // namespace

QueryCall::QueryCall(std::shared_ptr<SearchBackend> backend,
                     absl::Time deadline, v1::QueryResponse* response,
                     Done done, EmbeddingRules embedding)
    : backend_(std::move(backend)),
      deadline_(deadline),
      response_(response),
      embedding_(std::move(embedding)),
      done_(std::move(done)) {}

QueryCall::~QueryCall() = default;

void QueryCall::Start(absl::StatusOr<DecodedQuery> query) {
  if (!query.ok()) return Finish(query.status());
  query_ = *std::move(query);
  wanted_ = query_.diversity > 0
                ? std::min(kCandidatesForDiverse * needed(), kMaxLimit)
                : needed();
  if (query_.examples.has_value()) {
    const Examples& examples = *query_.examples;
    seen_.insert(examples.positive.begin(), examples.positive.end());
    seen_.insert(examples.negative.begin(), examples.negative.end());
    wanted_ += static_cast<int>(seen_.size());
  }
  if (!query_.group_by.empty()) groups_.emplace(query_.group_size);
  backend_->gate.FindDatabase(
      query_.database, deadline_,
      [self = shared_from_this()](
          absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
        self->OnDatabase(std::move(follower));
      });
}

void QueryCall::OnDatabase(
    absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
  if (!follower.ok()) return Finish(follower.status());
  follower_ = *std::move(follower);
  // First until the collection is known, which tells what else to wait for.
  if (query_.min_position.has_value()) {
    explanation_.Begin("wait");
    WaitFor(PositionWaiters::kApplied, &QueryCall::OnCollectionsKnown);
  } else {
    OnFindable();
  }
}

void QueryCall::WaitFor(int64_t channel, void (QueryCall::*next)()) {
  backend_->gate.WaitFor(
      follower_, *query_.min_position, channel, deadline_,
      [self = shared_from_this(), next,
       caller = std::this_thread::get_id()](const absl::Status& status) {
        if (!status.ok()) return self->Finish(status);
        if (std::this_thread::get_id() == caller) return ((*self).*next)();
        // The follower's thread, or the timer's: neither has time for a query.
        const absl::Status queued = self->backend_->search_pool.Submit(
            [self, next] { ((*self).*next)(); });
        if (!queued.ok()) self->Finish(queued);
      });
}

void QueryCall::OnCollectionsKnown() {
  const absl::StatusOr<ReadyIndex> ready =
      FindReadyIndex(*follower_, query_.collection, query_.vector_field);
  if (!ready.ok()) return Finish(ready.status());
  findable_generation_ = ready->index->spec().generation;
  WaitFor(*findable_generation_, &QueryCall::OnFindable);
}

void QueryCall::OnFindable() {
  const absl::StatusOr<ReadyIndex> ready =
      FindReadyIndex(*follower_, query_.collection, query_.vector_field);
  if (!ready.ok()) return Finish(ready.status());
  if (findable_generation_.has_value() &&
      *findable_generation_ != ready->index->spec().generation) {
    // Others serve since, which may wait for what was written meanwhile.
    return OnCollectionsKnown();
  }
  // From here on the query stays with this index, whichever comes to serve.
  index_ = ready->index;
  expiries_ = ready->database->ExpiriesOf(query_.collection);
  attributes_ = ready->database->AttributesOf(query_.collection);
  position_ = ready->database->position();
  absl::Status read = ReadFilterOfQuery();
  if (read.ok()) read = CheckMetric();
  if (!read.ok()) return Finish(read);
  if (query_.text.has_value()) {
    return index_->spec().supplied ? Finish(NoModelError()) : Embed();
  }
  if (query_.examples.has_value()) return SearchSoon();
  vector_ = *std::move(query_.vector);
  absl::Status fits = CheckFingerprint();
  if (fits.ok()) {
    fits = PrepareVector(index_->spec(), "vector.values", vector_);
  }
  if (!fits.ok()) return Finish(fits);
  SearchSoon();
}

absl::Status QueryCall::ReadFilterOfQuery() {
  if (attributes_ == nullptr) {
    if (query_.group_by.empty() && query_.facets.empty() &&
        (query_.filter.empty() || query_.diversity == 0)) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "the schema of collection \"", query_.collection,
        "\" is of a newer storage than this search: update search, "
        "or leave out group_by, facets and diversity"));
  }
  ASSIGN_OR_RETURN(filter_, ReadQueryFilter(query_, attributes_->schema()));
  return absl::OkStatus();
}

absl::Status QueryCall::CheckFingerprint() const {
  const IndexSpec& spec = index_->spec();
  if (query_.fingerprint.empty() || query_.fingerprint == spec.fingerprint) {
    return absl::OkStatus();
  }
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_FINGERPRINT_MISMATCH,
      absl::StrCat("the query's vector is of ", query_.fingerprint,
                   ", but the vectors that serve are of ", spec.fingerprint,
                   "; make it with ",
                   spec.supplied ? "what made those"
                                 : absl::StrCat("model \"", spec.model, "\""),
                   ", or query by text"),
      {{"model", spec.model},
       {"fingerprint", query_.fingerprint},
       {"index_fingerprint", spec.fingerprint}});
}

void QueryCall::Embed() {
  explanation_.Begin("embed");
  QueryText text = {
      .model = index_->spec().model,
      .text = *query_.text,
      .deadline = embedding_.give_up.value_or(deadline_),
  };
  EmbedCallback done =
      [self = shared_from_this()](
          absl::StatusOr<embedding::v1::EmbedResponse> answer) {
        self->OnEmbedded(std::move(answer));
      };
  if (embedding_.gatherer != nullptr) {
    embedding_.gatherer->Embed(std::move(text), std::move(done));
  } else {
    EmbedText(*backend_, std::move(text), std::move(done));
  }
}

void QueryCall::OnEmbedded(
    absl::StatusOr<embedding::v1::EmbedResponse> answer) {
  if (!answer.ok()) {
    return Finish(EmbeddingError(answer.status(), index_->spec(),
                                 embedding_.give_up.has_value()));
  }
  const absl::Status taken = TakeEmbedding(*answer);
  if (!taken.ok()) return Finish(taken);
  SearchSoon();
}

absl::Status QueryCall::TakeEmbedding(
    const embedding::v1::EmbedResponse& answer) {
  const IndexSpec& spec = index_->spec();
  if (answer.model().fingerprint() != spec.fingerprint) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     common::v1::ERROR_REASON_FINGERPRINT_MISMATCH,
                     absl::StrCat("model \"", spec.model, "\" is now ",
                                  answer.model().fingerprint(),
                                  ", but the index's vectors "
                                  "are of ",
                                  spec.fingerprint,
                                  "; run the embedding service "
                                  "with the model that made them"),
                     {{"model", spec.model},
                      {"fingerprint", answer.model().fingerprint()},
                      {"index_fingerprint", spec.fingerprint}});
  }
  if (answer.embeddings_size() != 1) {
    return absl::InternalError(absl::StrCat(
        "embedding one text gave ", answer.embeddings_size(), " vectors"));
  }
  vector_ = vector::Unpack(answer.embeddings(0).vector().values());
  if (!vector::IsFinite(vector_)) {
    return absl::InternalError("the text's vector is not finite");
  }
  return PrepareVector(spec, "text", vector_);
}

bool QueryCall::IsShort() const {
  const bool looks_at_all =
      query_.exact || query_.diversity > 0 || !query_.facets.empty();
  const bool has_few_examples =
      !query_.examples.has_value() ||
      query_.examples->positive.size() + query_.examples->negative.size() <=
          kMaxInlineExamples;
  const bool takes_attributes = !query_.filter.empty() || groups_.has_value();
  return !looks_at_all && has_few_examples &&
         index_->SearchBytes(wanted_,
                             {.target_recall = query_.target_recall}) <=
             kMaxInlineSearchBytes &&
         (!takes_attributes || attributes_ == nullptr ||
          attributes_->size() <= kMaxInlineRecords);
}

void QueryCall::SearchSoon() {
  explanation_.Begin("search");
  // One after another, many short ones would take long.
  const bool is_alone = embedding_.gatherer == nullptr;
  if (is_alone && IsShort()) return Search();
  const absl::Status queued = backend_->search_pool.Submit(
      [self = shared_from_this()] { self->Search(); });
  if (!queued.ok()) Finish(queued);
}

void QueryCall::Search() {
  if (absl::Now() >= deadline_) {
    // Nobody waits for the answer; the queue was too long.
    return Finish(absl::DeadlineExceededError("the search came too late"));
  }
  if (searches_ == 0) {
    absl::Status prepared = AddFacets();
    if (prepared.ok() && query_.examples.has_value()) prepared = TakeExamples();
    if (!prepared.ok()) return Finish(prepared);
  }
  absl::StatusOr<SearchResult> result = SearchIndex();
  if (!result.ok()) return Finish(result.status());
  if (searches_++ == 0) {
    // Candidates vanish or change only after this.
    position_.sequence = result->sequence;
    response_->set_position(position_.ToString());
    response_->set_metric(EncodeMetric(index_->spec().metric));
    *response_->mutable_lag() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(
            absl::ToInt64Nanoseconds(follower_->Lag()));
  }
  found_all_wanted_ = result->candidates.size() == wanted_;
  if (DropWorse(index_->spec().metric, query_.min_score, result->candidates)) {
    found_all_wanted_ = false;  // All others are worse, too.
  }
  AddCandidates(std::move(result->candidates));
  if (query_.read_mask.has_value() || asks_for_filter()) return AskStorage();
  TakeHits();
}

SearchResult QueryCall::SearchNearest(RowFilter filter, double share) const {
  return query_.exact ? index_->SearchAll(vector_, wanted_, filter)
                      : index_->Search(vector_, wanted_, filter,
                                       {query_.target_recall, share});
}

absl::StatusOr<SearchResult> QueryCall::SearchIndex() {
  const absl::Time now = absl::Now();
  const auto is_current = [&](int64_t row) {
    return !expiries_->IsExpired(row, now);
  };
  if (listing_ == Listing::kComplete) return SearchListed(is_current);
  SearchResult result;
  const bool takes_attributes =
      attributes_ != nullptr && (!query_.filter.empty() || groups_.has_value());
  if (!takes_attributes) {
    if (!query_.filter.empty()) {
      may_match_ = index_->Stats().records;
      WantCandidates();
    }
    result = SearchNearest(is_current, 1);
    explanation_.AddSearch(StrategyOf(result), result.cost);
    return result;
  }
  RETURN_IF_ERROR(FindRows(now, [&](const MatchingRows& rows) {
    result = SearchMatching(rows, is_current);
  }));
  return result;
}

SearchResult QueryCall::SearchMatching(const MatchingRows& rows,
                                       RowFilter is_current) {
  if (!rows.is_exact()) {
    may_match_ = rows.total() > 0 ? rows.count() : index_->Stats().records;
    WantCandidates();
  }
  const auto is_wanted = [&](int64_t row) {
    return is_current(row) &&
           (!groups_.has_value() || !groups_->is_some_full() ||
            !groups_->IsFull(rows.ValueOf(row, *filter_.group)));
  };
  // None are told of if nothing of the filter is answered here.
  const bool are_known = rows.total() > 0;
  const double share =
      are_known ? static_cast<double>(rows.count()) / rows.total() : 1;
  const SearchEffort effort = {target_recall(), share};
  const bool are_few =
      are_known && index_->PrefersRows(rows.count(), wanted_, effort);
  SearchResult result =
      are_few
          ? index_->SearchRows(vector_, wanted_, rows.Rows(), is_wanted, effort)
          : SearchNearest(
                [&](int64_t row) { return rows.Has(row) && is_wanted(row); },
                share);
  explanation_.AddSearch(
      are_few ? v1::Explanation::STRATEGY_SCAN_MATCHING : StrategyOf(result),
      result.cost);
  if (rows.is_exact()) explanation_.SetMatching(rows.count(), rows.total());
  if (groups_.has_value()) {
    for (const Candidate& candidate : result.candidates) {
      groups_->Tell(candidate.row, rows.ValueOf(candidate.row, *filter_.group));
    }
  }
  return result;
}

absl::Status QueryCall::FindRows(
    absl::Time now, absl::FunctionRef<void(const MatchingRows&)> visit) {
  for (int reads = 0; reads < kMaxReads; ++reads) {
    const absl::Status found =
        attributes_->Find(filter_, now, deadline_, visit);
    if (!absl::IsAborted(found)) return found;
    RETURN_IF_ERROR(ReadFilterOfQuery());
  }
  return absl::UnavailableError(
      "the collection's schema changes faster than filters are read; retry");
}

void QueryCall::WantCandidates() {
  if (std::exchange(asks_storage_, true)) return;
  wanted_ = std::max(wanted_, BatchSize());
}

int QueryCall::BatchSize() const {
  if (asks_for_filter()) {
    // Ever more, as fewer of them meet the filter than was hoped.
    const auto asked =
        static_cast<int>(std::min<int64_t>(asked_, kMaxRecordsRead));
    return std::clamp(std::max(kCandidatesForOne * missing(), asked),
                      kMinCandidates, kMaxRecordsRead);
  }
  // Where some vanished, the next ones may have, too.
  return std::min(searches_ > 1 ? 2 * missing() : missing(), kMaxRecordsRead);
}

void QueryCall::AskStorage() {
  std::vector<Candidate> asked = NextCandidates(BatchSize());
  if (asked.empty()) return SearchFurther();
  asked_ += static_cast<int64_t>(asked.size());
  explanation_.Begin("hydrate");
  std::vector<std::string> ids;
  ids.reserve(asked.size());
  for (const Candidate& candidate : asked) ids.push_back(candidate.id);
  ReadHitRecords(*backend_, deadline_, query_, ids,
                 [self = shared_from_this(), asked = std::move(asked)](
                     absl::StatusOr<HitRecords> records) mutable {
                   self->OnRecords(std::move(asked), std::move(records));
                 });
}

void QueryCall::OnRecords(std::vector<Candidate> asked,
                          absl::StatusOr<HitRecords> records) {
  if (!records.ok()) return Finish(records.status());
  for (const Candidate& candidate : asked) {
    const auto found = records->find(candidate.id);
    const bool is_hit = found != records->end() && missing() > 0 &&
                        AddHit(candidate, &found->second);
    if (!is_hit && groups_.has_value()) groups_->GiveBack(candidate.row);
  }
  if (missing() == 0) return Answer();
  if (PrefersListing()) return List("");
  AskStorage();
}

void QueryCall::SearchFurther() {
  if (!found_all_wanted_) return Answer();
  // Ever more at once: few searches, however few of the records it is.
  const auto seen = static_cast<int>(seen_.size());
  wanted_ = seen + std::max(BatchSize(), seen);
  SearchSoon();
}

bool QueryCall::AddHit(const Candidate& candidate,
                       storage::v1::Record* record) {
  std::vector<float> vector;
  if (query_.include_vector) {
    vector = index_->VectorOf(candidate.row, candidate.chunk);
    if (vector.empty()) return false;
  }
  v1::Hit* hit = response_->add_hits();
  hit->set_id(candidate.id);
  hit->set_score(candidate.score);
  hit->set_chunk(candidate.chunk);
  if (candidate.passage.has_value()) {
    hit->mutable_passage()->set_begin(candidate.passage->begin);
    hit->mutable_passage()->set_end(candidate.passage->end);
  }
  if (record != nullptr && query_.read_mask.has_value()) {
    *hit->mutable_record() = std::move(*record);
  }
  if (!vector.empty()) {
    hit->mutable_vector()->set_values(std::string(vector::Pack(vector)));
  }
  return true;
}

void QueryCall::Answer() {
  // Hits of a later search can be better than those of an earlier one, if their
  // vectors have come in between.
  if (query_.diversity == 0) {
    OrderHits(index_->spec().metric, *response_->mutable_hits());
  }
  LeaveOut(query_.offset, *response_->mutable_hits());
  if (query_.include_passage_text) return ReadPassageTexts();
  FinishAnswer();
}

void QueryCall::FinishAnswer() {
  if (told_generation_ != nullptr) {
    *told_generation_ = index_->spec().generation;
  }
  if (query_.explain) explanation_.End(*response_->mutable_explanation());
  Finish(absl::OkStatus());
}

void QueryCall::Finish(const absl::Status& status) { done_(status); }

}  // namespace engram::search
