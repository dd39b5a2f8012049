#ifndef ENGRAM_SERVICES_SEARCH_DUPLICATE_SEARCH_H_
#define ENGRAM_SERVICES_SEARCH_DUPLICATE_SEARCH_H_

#include <memory>

#include "absl/status/status.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/feed_follower.h"
#include "services/search/search_backend.h"

namespace engram::search {

// Checks what the request alone decides. `InvalidArgument` lists every field at
// fault.
absl::Status CheckDuplicatesRequest(const v1::FindDuplicatesRequest& request);

// Begins the operation that FindDuplicates asks for, of a request that was
// checked. FindReadyIndex's errors; `InvalidArgument` for a `min_score` that
// the index's metric does not have, and for a filter that cannot be read.
absl::Status StartFindDuplicates(const std::shared_ptr<SearchBackend>& backend,
                                 const FeedFollower& follower,
                                 const v1::FindDuplicatesRequest& request,
                                 v1::FindDuplicatesResponse& response);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DUPLICATE_SEARCH_H_
