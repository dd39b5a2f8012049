#ifndef ENGRAM_SERVICES_EMBEDDING_MIGRATION_ESTIMATE_H_
#define ENGRAM_SERVICES_EMBEDDING_MIGRATION_ESTIMATE_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/admin.pb.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/record_sample.h"
#include "services/embedding/storage_client.h"

namespace engram::embedding {

// How the outbox is worked off; see EmbeddingOptions.
struct IndexerPace {
  // Threads of a model.
  int threads = 2;
  // The most texts that a thread takes at once.
  int batch = 512;
};

// Answers EmbeddingAdminService.EstimateMigration, by `deadline`: reads up to
// 1,000 records by chance, makes their texts, cuts them, counts their tokens,
// and has the model embed some of them. What these took, by the provider's own
// count, corrects the tokens of the rest.
absl::StatusOr<v1::EstimateMigrationResponse> EstimateMigration(
    const v1::EstimateMigrationRequest& request, const ModelCatalog& catalog,
    IndexerPace pace, StorageClient& storage, absl::Time deadline,
    StillWanted still_wanted);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_MIGRATION_ESTIMATE_H_
