#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_LIST_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_LIST_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engram/storage/v1/catalog.pb.h"
#include "services/storage/database.h"

namespace engram::storage {

// See CatalogService.ListGenerations.
absl::Status ListGenerations(Database& database, absl::Time now,
                             const v1::ListGenerationsRequest& request,
                             v1::ListGenerationsResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_LIST_H_
