#ifndef ENGRAM_SERVICES_STORAGE_TRAVERSE_H_
#define ENGRAM_SERVICES_STORAGE_TRAVERSE_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"
#include "services/storage/graph_limits.h"

namespace engram::storage {

// Walks a graph as RecordService.Traverse promises, in one state of the file.
// Ends with an error of `bounds` if those are reached; may take a second
// otherwise, and some 100 MiB.
absl::Status Traverse(Database& database, const v1::TraverseRequest& request,
                      const CallBounds& bounds, v1::TraverseResponse* response,
                      const GraphLimits& limits = {});

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TRAVERSE_H_
