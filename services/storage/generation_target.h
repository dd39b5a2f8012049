// Which generation a call means.

#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_TARGET_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_TARGET_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// Finds a vector field by its name; an empty one means the only one.
// `NotFound`, reason `VECTOR_FIELD_UNKNOWN`.
absl::StatusOr<const VectorField*> FindVectorField(const Collection& collection,
                                                   absl::string_view name);

// Finds a generation of the field. `NotFound`, reason `GENERATION_UNKNOWN`.
absl::StatusOr<const Generation*> FindGeneration(const Collection& collection,
                                                 const VectorField& field,
                                                 int64_t generation);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_TARGET_H_
