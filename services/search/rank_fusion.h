#ifndef ENGRAM_SERVICES_SEARCH_RANK_FUSION_H_
#define ENGRAM_SERVICES_SEARCH_RANK_FUSION_H_

#include <string>
#include <vector>

#include "absl/types/span.h"

namespace engram::search {

// How two lists are made one; see v1::Fusion.
enum class FusionMethod { kReciprocalRank, kWeighted };

// One record of a list, and how good it is there: larger is better.
struct ScoredId {
  std::string id;
  float score = 0;
};

// One of the lists: best first, no record twice.
struct RankedList {
  absl::Span<const ScoredId> records;
  // What its say is worth, 0 up; a list without a say is left out.
  double weight = 0;
};

// Makes one list of all, best first, equal scores by id. A list that does not
// have a record adds nothing to its score.
std::vector<ScoredId> FuseLists(FusionMethod method,
                                absl::Span<const RankedList> lists);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RANK_FUSION_H_
