// Which generation of a vector field serves, and which there are: changed one
// at a time, each change a migration of the schema and a change of the feed.

#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_SWITCH_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_SWITCH_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/catalog.pb.h"
#include "services/storage/database.h"

namespace engram::storage {

// Has another generation serve; see CatalogService.SwitchGeneration, whose
// errors it returns. The one that served before is kept, and takes the place of
// another that was kept. For GroupCommitter's `run_alone`.
absl::StatusOr<v1::SwitchGenerationResponse> SwitchGeneration(
    Database& database, WriterAccess& access,
    const v1::SwitchGenerationRequest& request);

// Has a generation serve that awaits it, if it is complete and its schema
// leaves it to storage; else does nothing.
absl::Status CutOver(Database& database, WriterAccess& access,
                     int64_t generation);

// See CatalogService.DropGeneration.
absl::StatusOr<v1::DropGenerationResponse> DropGeneration(
    Database& database, WriterAccess& access,
    const v1::DropGenerationRequest& request);

// Drops a generation that stopped serving at `retired_us` or before; does
// nothing if it serves again, or is what the schema declares.
absl::Status DropRetired(Database& database, WriterAccess& access,
                         int64_t generation, int64_t retired_us);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_SWITCH_H_
