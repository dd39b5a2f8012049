#ifndef ENGRAM_SERVICES_STORAGE_PASSAGE_GET_H_
#define ENGRAM_SERVICES_STORAGE_PASSAGE_GET_H_

#include "absl/status/status.h"
#include "engram/storage/v1/passage.pb.h"
#include "services/storage/database.h"

namespace engram::storage {

// Answers GetPassages from one state of the file. `NotFound` for an unknown
// collection, vector field or generation.
absl::Status GetVectorPassages(Database& database,
                               const v1::GetPassagesRequest& request,
                               v1::GetPassagesResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_PASSAGE_GET_H_
