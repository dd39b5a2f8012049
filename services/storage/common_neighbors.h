#ifndef ENGRAM_SERVICES_STORAGE_COMMON_NEIGHBORS_H_
#define ENGRAM_SERVICES_STORAGE_COMMON_NEIGHBORS_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"
#include "services/storage/graph_limits.h"

namespace engram::storage {

// Finds what RecordService.GetCommonNeighbors promises, in one state of the
// file. Ends with an error of `bounds` if those are reached.
absl::Status GetCommonNeighbors(Database& database,
                                const v1::GetCommonNeighborsRequest& request,
                                const CallBounds& bounds,
                                v1::GetCommonNeighborsResponse* response,
                                const GraphLimits& limits = {});

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_COMMON_NEIGHBORS_H_
