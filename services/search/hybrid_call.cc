#include "services/search/hybrid_call.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "services/search/passage_reader.h"
#include "services/search/query_call.h"
#include "services/search/query_stage.h"

namespace engram::search {
namespace {

// Of each list so many are fused: a record that is good by both may be at the
// top of neither. The same for all pages but late ones, or records would change
// places from one page to the next.
constexpr int kDepthFactor = 2;
constexpr int kShallow = 100;

int DepthOf(const DecodedQuery& query) {
  return query.offset + query.limit <= kShallow ? kDepthFactor * kShallow
                                                : kMaxLimit;
}

// Whether a text of which this is said cannot be embedded, as it is or by the
// model that is needed; another text could not either.
bool LacksEmbedding(const absl::Status& status) {
  switch (ReasonOf(status)) {
    case common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE:
    case common::v1::ERROR_REASON_FINGERPRINT_MISMATCH:
    case common::v1::ERROR_REASON_MODEL_UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace

HybridCall::HybridCall(std::shared_ptr<SearchBackend> backend, CallTimes times,
                       DecodedQuery query, v1::QueryResponse* response,
                       std::shared_ptr<TextGatherer> gatherer, Done done)
    : backend_(std::move(backend)),
      times_(times),
      query_(std::move(query)),
      response_(response),
      gatherer_(std::move(gatherer)),
      done_(std::move(done)) {}

HybridCall::~HybridCall() = default;

void HybridCall::Start() {
  SearchByWords();  // First: it is under way while the other begins.
  SearchByMeaning();
}

void HybridCall::SearchByMeaning() {
  DecodedQuery query = query_;
  query.mode = {};
  query.limit = DepthOf(query_);
  query.offset = 0;
  query.read_mask.reset();
  query.include_passage_text = false;
  EmbeddingRules embedding = {.gatherer = gatherer_};
  if (query_.mode.allow_degraded) {
    // Time is left to answer: a provider that hangs is one that is down.
    embedding.give_up = times_.start + (times_.deadline - times_.start) / 2;
  }
  const auto call = std::make_shared<QueryCall>(
      backend_, times_.deadline, &semantic_,
      [self = shared_from_this()](const absl::Status& status) {
        self->OnSemantic(status);
      },
      std::move(embedding));
  call->TellGeneration(&generation_);
  call->Start(std::move(query));
}

void HybridCall::SearchByWords() {
  google::protobuf::FieldMask only_ids;
  only_ids.add_paths("id");
  SearchKeywords(
      backend_, times_.deadline, query_, AnyWordOf(*query_.text),
      std::move(only_ids), DepthOf(query_),
      [self = shared_from_this()](absl::StatusOr<KeywordResult> result) {
        self->OnKeyword(std::move(result));
      });
}

void HybridCall::OnSemantic(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    semantic_status_ = status;
    if (!keyword_.has_value()) return;
  }
  OnBoth();
}

void HybridCall::OnKeyword(absl::StatusOr<KeywordResult> result) {
  {
    absl::MutexLock lock(&mutex_);
    keyword_ = std::move(result);
    if (!semantic_status_.has_value()) return;
  }
  OnBoth();
}

void HybridCall::OnBoth() {
  if (!semantic_status_->ok() && !Degrade()) return done_(*semantic_status_);
  if (!keyword_->ok()) return done_(keyword_->status());
  if (response_->degraded().empty()) {
    response_->set_position(semantic_.position());
    if (semantic_.has_lag()) *response_->mutable_lag() = semantic_.lag();
  } else {
    response_->set_position((*keyword_)->position);
    backend_->metrics.degraded_queries.Increment();
  }
  Fuse();
  fused_time_ = absl::Now();
  if (query_.read_mask.has_value()) return ReadRecords();
  for (const ScoredId& record : fused_) {
    if (missing() > 0) AddHit(record, nullptr);
  }
  Answer();
}

bool HybridCall::Degrade() {
  if (!query_.mode.allow_degraded || !LacksEmbedding(*semantic_status_)) {
    return false;
  }
  semantic_.Clear();
  response_->set_degraded(std::string(semantic_status_->message()));
  return true;
}

void HybridCall::Fuse() {
  std::vector<ScoredId> semantic, keyword;
  const bool smaller_is_better = semantic_.metric() == common::v1::METRIC_L2;
  for (const v1::Hit& hit : semantic_.hits()) {
    semantic.push_back(
        {hit.id(), smaller_is_better ? -hit.score() : hit.score()});
    semantic_hits_[hit.id()] = &hit;
  }
  for (const storage::v1::TextHit& hit : (*keyword_)->hits) {
    keyword.push_back({hit.record().id(), static_cast<float>(hit.score())});
  }
  // Of one list all is said by that.
  const double semantic_weight =
      response_->degraded().empty() ? query_.mode.semantic_weight : 0;
  fused_ = FuseLists(query_.mode.fusion, {{semantic, semantic_weight},
                                          {keyword, 1 - semantic_weight}});
}

void HybridCall::ReadRecords() {
  const auto asked =
      std::min(fused_.size() - next_,
               static_cast<size_t>(std::min(missing(), kMaxRecordsRead)));
  if (asked == 0) return Answer();
  storage::v1::BatchGetRequest request = RecordsRequestOf(query_);
  for (size_t i = 0; i < asked; ++i) request.add_ids(fused_[next_ + i].id);
  backend_->calls.Run<storage::v1::BatchGetResponse>(
      times_.deadline, std::move(request),
      [this](auto&&... arguments) {
        backend_->records->async()->BatchGet(
            std::forward<decltype(arguments)>(arguments)...);
      },
      [self = shared_from_this(),
       asked](absl::StatusOr<storage::v1::BatchGetResponse> answer) {
        self->OnRecords(asked, std::move(answer));
      });
}

void HybridCall::OnRecords(
    size_t asked, absl::StatusOr<storage::v1::BatchGetResponse> answer) {
  if (!answer.ok()) {
    return done_(ReadError(answer.status()));
  }
  absl::flat_hash_map<absl::string_view, storage::v1::Record*> records;
  for (storage::v1::Record& record : *answer->mutable_records()) {
    records[record.id()] = &record;
  }
  for (size_t i = 0; i < asked; ++i) {
    const ScoredId& fused = fused_[next_++];
    const auto found = records.find(fused.id);
    if (found != records.end()) AddHit(fused, found->second);
  }
  ReadRecords();
}

void HybridCall::AddHit(const ScoredId& fused, storage::v1::Record* record) {
  v1::Hit* hit = response_->add_hits();
  const auto semantic = semantic_hits_.find(fused.id);
  if (semantic != semantic_hits_.end()) *hit = *semantic->second;
  hit->set_id(fused.id);
  hit->set_score(fused.score);
  if (record != nullptr) *hit->mutable_record() = std::move(*record);
}

void HybridCall::Answer() {
  const int left_out = std::min(query_.offset, response_->hits_size());
  response_->mutable_hits()->DeleteSubrange(0, left_out);
  hydrated_time_ = absl::Now();
  if (query_.include_passage_text) return ReadPassageTexts();
  FinishAnswer();
}

void HybridCall::ReadPassageTexts() {
  std::vector<v1::Hit*> hits;
  for (v1::Hit& hit : *response_->mutable_hits()) {
    if (semantic_hits_.contains(hit.id())) hits.push_back(&hit);
  }
  ReadPassages(backend_, times_.deadline,
               {.database = query_.database,
                .collection = query_.collection,
                .vector_field = query_.vector_field,
                .generation = generation_,
                .position = semantic_.position()},
               std::move(hits),
               [self = shared_from_this()](const absl::Status& status) {
                 if (!status.ok()) return self->done_(status);
                 self->FinishAnswer();
               });
}

void HybridCall::FinishAnswer() {
  if (query_.explain) Explain();
  done_(absl::OkStatus());
}

void HybridCall::Explain() {
  v1::Explanation& explanation = *response_->mutable_explanation();
  explanation = semantic_.explanation();
  if (!response_->degraded().empty()) {
    explanation.set_strategy(v1::Explanation::STRATEGY_KEYWORD);
  }
  AddStage("keyword", (*keyword_)->time, explanation);
  if (query_.read_mask.has_value()) {
    AddStage("hydrate", hydrated_time_ - fused_time_, explanation);
  }
  if (query_.include_passage_text) {
    AddStage("passages", absl::Now() - hydrated_time_, explanation);
  }
}

}  // namespace engram::search
