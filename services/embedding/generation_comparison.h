#ifndef ENGRAM_SERVICES_EMBEDDING_GENERATION_COMPARISON_H_
#define ENGRAM_SERVICES_EMBEDDING_GENERATION_COMPARISON_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/admin.pb.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/record_sample.h"
#include "services/embedding/storage_client.h"

namespace engram::embedding {

// Answers EmbeddingAdminService.CompareGenerations, by `deadline`: reads the
// vectors of a sample of the records from storage and compares what each query
// finds among them. Takes as much memory as these vectors, 256 MiB at most.
absl::StatusOr<v1::CompareGenerationsResponse> CompareGenerations(
    const v1::CompareGenerationsRequest& request, const ModelCatalog& catalog,
    StorageClient& storage, absl::Time deadline, StillWanted still_wanted);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_GENERATION_COMPARISON_H_
