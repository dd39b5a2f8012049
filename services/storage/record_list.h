#ifndef ENGRAM_SERVICES_STORAGE_RECORD_LIST_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_LIST_H_

#include <string>

#include "absl/status/statusor.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"

namespace engram::storage {

// Does what RecordService.List promises; returns its response as it is sent,
// encoded (record_reader.h). May scan all records, until `bounds` end it. Of
// use in any thread.
absl::StatusOr<std::string> ListRecords(
    Database& database, const v1::RecordServiceListRequest& request,
    const CallBounds& bounds);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_LIST_H_
