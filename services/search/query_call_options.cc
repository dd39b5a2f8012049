// What a query asks for beyond the nearest: records in place of a text, facets,
// groups, diversity, passages.

#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/diversity.h"
#include "services/search/passage_reader.h"
#include "services/search/query_call.h"
#include "services/search/query_facets.h"
#include "services/search/recommend_decoder.h"

namespace engram::search {

absl::Status QueryCall::CheckMetric() const {
  if (query_.diversity == 0 || index_->spec().metric != Metric::kL2) {
    return absl::OkStatus();
  }
  return InvalidField("diversity",
                      "takes a metric of which larger is nearer, cosine or "
                      "dot, but the vector field has l2; leave it out");
}

absl::Status QueryCall::TakeExamples() {
  const absl::Time now = absl::Now();
  ExampleVector made = VectorOfExamples(
      *index_, *query_.examples,
      [&](int64_t row) { return !expiries_->IsExpired(row, now); });
  if (!made.missing.empty()) return NoVectorError(query_, made.missing);
  vector_ = std::move(made.values);
  return PrepareVector(index_->spec(), query_.examples_field, vector_);
}

absl::Status QueryCall::AddFacets() {
  if (filter_.facets.empty()) return absl::OkStatus();
  const absl::Time now = absl::Now();
  absl::Status counted;
  RETURN_IF_ERROR(FindRows(now, [&](const MatchingRows& rows) {
    counted = search::AddFacets(filter_, rows, *expiries_, now,
                                *response_->mutable_facets());
  }));
  return counted;
}

void QueryCall::AddCandidates(std::vector<Candidate> candidates) {
  std::erase_if(candidates, [this](const Candidate& candidate) {
    return !seen_.insert(candidate.id).second;
  });
  if (query_.diversity > 0) Diversify(*index_, query_.diversity, candidates);
  std::move(candidates.begin(), candidates.end(),
            std::back_inserter(candidates_));
}

std::vector<Candidate> QueryCall::NextCandidates(int most) {
  std::vector<Candidate> next;
  // Of groups that are full, as long as none of those before it falls away.
  std::vector<Candidate> kept;
  while (!candidates_.empty() && static_cast<int>(next.size()) < most) {
    Candidate& candidate = candidates_.front();
    const bool has_place = !groups_.has_value() || groups_->Take(candidate.row);
    (has_place ? next : kept).push_back(std::move(candidate));
    candidates_.pop_front();
  }
  candidates_.insert(candidates_.begin(), std::move_iterator(kept.begin()),
                     std::move_iterator(kept.end()));
  return next;
}

void QueryCall::TakeHits() {
  while (missing() > 0) {
    const std::vector<Candidate> next = NextCandidates(missing());
    if (next.empty()) return SearchFurther();
    for (const Candidate& candidate : next) {
      if (!AddHit(candidate, nullptr) && groups_.has_value()) {
        groups_->GiveBack(candidate.row);
      }
    }
  }
  Answer();
}

void QueryCall::ReadPassageTexts() {
  explanation_.Begin("passages");
  std::vector<v1::Hit*> hits;
  for (v1::Hit& hit : *response_->mutable_hits()) hits.push_back(&hit);
  ReadPassages(backend_, deadline_,
               {.database = query_.database,
                .collection = query_.collection,
                .vector_field = query_.vector_field,
                .generation = index_->spec().generation,
                .position = response_->position()},
               std::move(hits),
               [self = shared_from_this()](const absl::Status& status) {
                 if (!status.ok()) return self->Finish(status);
                 self->FinishAnswer();
               });
}

}  // namespace engram::search
