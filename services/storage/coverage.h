#ifndef ENGRAM_SERVICES_STORAGE_COVERAGE_H_
#define ENGRAM_SERVICES_STORAGE_COVERAGE_H_

#include "absl/status/status.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/storage/catalog.h"
#include "services/storage/database.h"

namespace engram::storage {

// Counts the records of the collection `name` by where their vectors stand, all
// as of one position. Takes time only for records that wait or failed.
absl::Status ReadCoverage(Database& database, absl::string_view name,
                          v1::GetCoverageResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_COVERAGE_H_
