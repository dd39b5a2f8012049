#ifndef ENGRAM_SERVICES_SEARCH_QUERY_STARTER_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_STARTER_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/query_decoder.h"
#include "services/search/search_backend.h"
#include "services/search/text_embedding.h"

namespace engram::search {

// When a call came, and when it must end.
struct CallTimes {
  absl::Time start;
  absl::Time deadline;
};

// Answers `query` by its mode, and measures it; one that could not be decoded
// ends with its error. `done` is called once, perhaps before this returns and
// in any thread, after `response` is filled; what that holds after an error
// means nothing. `gatherer` is that of the queries that came with this one,
// null if it came alone.
void StartQuery(std::shared_ptr<SearchBackend> backend, CallTimes times,
                absl::StatusOr<DecodedQuery> query, v1::QueryResponse* response,
                std::shared_ptr<TextGatherer> gatherer,
                absl::AnyInvocable<void(const absl::Status&)> done);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_STARTER_H_
