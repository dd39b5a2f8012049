#ifndef ENGRAM_SERVICES_STORAGE_AGGREGATE_H_
#define ENGRAM_SERVICES_STORAGE_AGGREGATE_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"

namespace engram::storage {

// Answers RecordService.Aggregate in one state of the file: reads each record
// that meets the filter once, from the columns that matter, and keeps only the
// groups. On the thread of the caller, for as long as `bounds` allow.
absl::Status Aggregate(Database& database, const v1::AggregateRequest& request,
                       const CallBounds& bounds,
                       v1::AggregateResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_AGGREGATE_H_
