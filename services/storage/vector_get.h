#ifndef ENGRAM_SERVICES_STORAGE_VECTOR_GET_H_
#define ENGRAM_SERVICES_STORAGE_VECTOR_GET_H_

#include "absl/status/status.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/storage/database.h"

namespace engram::storage {

// Answers GetVectors from one state of the file. `NotFound` for an unknown
// collection or vector field.
absl::Status GetRecordVectors(Database& database,
                              const v1::GetVectorsRequest& request,
                              v1::GetVectorsResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VECTOR_GET_H_
