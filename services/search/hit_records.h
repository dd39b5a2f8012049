#ifndef ENGRAM_SERVICES_SEARCH_HIT_RECORDS_H_
#define ENGRAM_SERVICES_SEARCH_HIT_RECORDS_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/storage/v1/record.pb.h"
#include "services/search/query_decoder.h"
#include "services/search/search_backend.h"

namespace engram::search {

// What storage has of records, by id.
using HitRecords = absl::flat_hash_map<std::string, storage::v1::Record>;

// Asks storage for what `query` returns of the records of `ids`, at most
// kMaxRecordsRead. Those that are gone or do not meet the query's filter are
// missing. What is at fault is named as in QueryRequest. `done` must keep
// `backend`.
void ReadHitRecords(SearchBackend& backend, absl::Time deadline,
                    const DecodedQuery& query,
                    const std::vector<std::string>& ids,
                    absl::AnyInvocable<void(absl::StatusOr<HitRecords>)> done);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_HIT_RECORDS_H_
