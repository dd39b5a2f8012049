#ifndef ENGRAM_SERVICES_SEARCH_QUERY_STAGE_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_STAGE_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/search/v1/search.pb.h"

namespace engram::search {

// Adds a step of a query and how long it took, to what it took before;
// v1::Stage has the names.
void AddStage(absl::string_view name, absl::Duration duration,
              v1::Explanation& explanation);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_STAGE_H_
