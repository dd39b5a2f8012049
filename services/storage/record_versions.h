#ifndef ENGRAM_SERVICES_STORAGE_RECORD_VERSIONS_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_VERSIONS_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/database.h"

namespace engram::storage {

// Answers RecordService.ListVersions in one state of the file: the record as
// its table has it, then what the history keeps of those that had its id. A
// page ends early where the records are large.
absl::Status ListVersions(Database& database,
                          const v1::ListVersionsRequest& request,
                          v1::ListVersionsResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_VERSIONS_H_
