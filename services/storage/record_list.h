#ifndef ENGRAM_SERVICES_STORAGE_RECORD_LIST_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_LIST_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"

namespace engram::storage {

// Does what RecordService.List promises. May scan all records, until `bounds`
// end it. Of use in any thread.
absl::Status ListRecords(Database& database,
                         const v1::RecordServiceListRequest& request,
                         const CallBounds& bounds,
                         v1::RecordServiceListResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_LIST_H_
