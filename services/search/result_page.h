#ifndef ENGRAM_SERVICES_SEARCH_RESULT_PAGE_H_
#define ENGRAM_SERVICES_SEARCH_RESULT_PAGE_H_

#include <optional>
#include <vector>

#include "engram/search/v1/search.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/search/index.h"

namespace engram::search {

using Hits = google::protobuf::RepeatedPtrField<v1::Hit>;

// Drops the candidates whose score is worse than `min_score`; returns whether
// there were any. They are best first.
bool DropWorse(Metric metric, std::optional<float> min_score,
               std::vector<Candidate>& candidates);

// Puts the best hits first, equal scores by id.
void OrderHits(Metric metric, Hits& hits);

// Leaves out the first `offset` hits.
void LeaveOut(int offset, Hits& hits);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RESULT_PAGE_H_
