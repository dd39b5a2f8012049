#ifndef ENGRAM_SERVICES_SEARCH_DIVERSITY_H_
#define ENGRAM_SERVICES_SEARCH_DIVERSITY_H_

#include <vector>

#include "absl/types/span.h"
#include "services/search/index.h"

namespace engram::search {

// Orders candidates by maximal marginal relevance (Carbonell and Goldstein
// 1998): each next one is that with the largest
//
//   (1 - diversity) x score - diversity x its largest similarity to one before,
//
// of equal ones the first. `vectors` are those of the candidates, back to back;
// `scores`, and their inner products, are similarities. Returns their places.
// Time and comparisons grow with the square of their number.
std::vector<int> OrderDiversely(absl::Span<const float> scores,
                                absl::Span<const float> vectors, int dimensions,
                                float diversity);

// The same with what an index found, best first, under a metric whose scores
// are inner products. Those whose vectors are gone since are left out; those
// beyond the first 1000 stay behind them.
void Diversify(const Index& index, float diversity,
               std::vector<Candidate>& candidates);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DIVERSITY_H_
