#ifndef ENGRAM_SERVICES_STORAGE_RECORD_GET_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_GET_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/database.h"

namespace engram::storage {

// Does what RecordService.Get promises, in some microseconds.
absl::Status GetRecord(Database& database,
                       const v1::RecordServiceGetRequest& request,
                       v1::Record* record);

// Does what RecordService.BatchGet promises.
absl::Status GetRecords(Database& database, const v1::BatchGetRequest& request,
                        v1::BatchGetResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_GET_H_
