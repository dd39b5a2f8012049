#ifndef ENGRAM_SERVICES_SEARCH_QUERY_MODE_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_MODE_H_

#include "engram/search/v1/search.pb.h"
#include "libs/status/errors.h"
#include "services/search/rank_fusion.h"

namespace engram::search {

enum class QueryMode { kSemantic, kKeyword, kHybrid };

// How a query finds records.
struct ModeOptions {
  QueryMode mode = QueryMode::kSemantic;
  // The rest is of hybrid queries.
  FusionMethod fusion = FusionMethod::kReciprocalRank;
  // 0 to 1; words have the rest.
  double semantic_weight = 0.5;
  // Whether an answer by words alone will do.
  bool allow_degraded = false;
};

// Reads how `request` wants records found. Adds to `violations` what it asks
// for that its mode does not have.
ModeOptions DecodeMode(const v1::QueryRequest& request,
                       FieldViolations& violations);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_MODE_H_
