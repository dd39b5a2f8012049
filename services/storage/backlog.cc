#include "services/storage/backlog.h"

#include "libs/status/status_macros.h"
#include "services/storage/generation_progress.h"

namespace engram::storage {

absl::Status ReadBacklog(Database& database,
                         absl::Span<const EmbeddingPause> pauses,
                         absl::Time now, v1::GetBacklogResponse* response) {
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  for (const CollectionPtr& newest : database.catalog().List()) {
    ASSIGN_OR_RETURN(const CollectionPtr collection, view.FindById(newest->id));
    // Created just now.
    if (collection == nullptr) continue;
    RETURN_IF_ERROR(ForEachGeneration(
        *collection, [&](const Generation& generation) -> absl::Status {
          if (generation.supplied()) return absl::OkStatus();
          ASSIGN_OR_RETURN(
              const GenerationProgress progress,
              ReadProgress(view.connection(), generation, database.now_us()));
          v1::FieldBacklog& backlog = *response->add_fields();
          backlog.set_database(database.name());
          backlog.set_collection(collection->name());
          backlog.set_vector_field(generation.spec.name);
          backlog.set_generation(generation.id);
          backlog.set_model(generation.model);
          backlog.set_pending(progress.pending);
          backlog.set_backlog(progress.backlog);
          backlog.set_failed(progress.failed);
          backlog.set_paused(
              IsPaused(pauses, database.name(), collection->name(), ""));
          backlog.set_rate(database.outbox().RateOf(generation.id, now));
          return absl::OkStatus();
        }));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
