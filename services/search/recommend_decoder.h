#ifndef ENGRAM_SERVICES_SEARCH_RECOMMEND_DECODER_H_
#define ENGRAM_SERVICES_SEARCH_RECOMMEND_DECODER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/query_decoder.h"

namespace engram::search {

// Reads a RecommendRequest as a query by examples. `InvalidArgument` lists
// every field at fault, those of its query by their names there: see
// RecommendError.
absl::StatusOr<DecodedQuery> DecodeRecommend(
    const v1::RecommendRequest& request);

// What the failure of such a query is to its caller: names the fields by their
// paths in a RecommendRequest.
absl::Status RecommendError(const absl::Status& status);

// `NotFound` for examples that the index has no vectors of, which are not none.
absl::Status NoVectorError(const DecodedQuery& query,
                           const std::vector<std::string>& ids);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECOMMEND_DECODER_H_
