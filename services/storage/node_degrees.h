#ifndef ENGRAM_SERVICES_STORAGE_NODE_DEGREES_H_
#define ENGRAM_SERVICES_STORAGE_NODE_DEGREES_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"
#include "services/storage/graph_limits.h"

namespace engram::storage {

// Counts as RecordService.GetDegrees promises, in one state of the file. Ends
// with an error of `bounds` if those are reached, and with `ResourceExhausted`
// if the edges, or the neighbours of one node, do not fit the limits.
absl::Status GetDegrees(Database& database,
                        const v1::GetDegreesRequest& request,
                        const CallBounds& bounds,
                        v1::GetDegreesResponse* response,
                        const GraphLimits& limits = {});

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_NODE_DEGREES_H_
