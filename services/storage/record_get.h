// Answers as they are sent: encoded from what the tables hold
// (record_reader.h).

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_GET_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_GET_H_

#include <string>

#include "absl/status/statusor.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"
#include "services/storage/row_hints.h"

namespace engram::storage {

// Does what RecordService.Get promises, in some microseconds; returns its
// response. `hints` makes it faster and changes nothing else.
absl::StatusOr<std::string> GetRecord(
    Database& database, RowHints& hints,
    const v1::RecordServiceGetRequest& request);

// The same for RecordService.BatchGet, whose filter may take as long as
// `bounds` allow.
absl::StatusOr<std::string> GetRecords(Database& database, RowHints& hints,
                                       const v1::BatchGetRequest& request,
                                       const CallBounds& bounds);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_GET_H_
