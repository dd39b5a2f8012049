#include "services/storage/backlog.h"

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kCount = R"sql(
SELECT (SELECT count(*) FROM _outbox WHERE generation = ?1),
  (SELECT count(*) FROM _outbox INDEXED BY _outbox_backlog
   WHERE generation = ?1 AND sequence = 0),
  (SELECT count(*) FROM _failures WHERE generation = ?1))sql";

}  // namespace

absl::Status ReadBacklog(Database& database,
                         absl::Span<const EmbeddingPause> pauses,
                         absl::Time now, v1::GetBacklogResponse* response) {
  // Generations that a schema drops just now count 0.
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  for (const CollectionPtr& collection : database.catalog().List()) {
    for (const VectorField& field : collection->vectors) {
      if (field.supplied()) continue;
      ASSIGN_OR_RETURN(sqlite::Statement count,
                       view.connection().Cached(kCount));
      count.BindInt(1, field.generation.id);
      RETURN_IF_ERROR(count.Step().status());
      v1::FieldBacklog& backlog = *response->add_fields();
      backlog.set_database(database.name());
      backlog.set_collection(collection->name());
      backlog.set_vector_field(field.name);
      backlog.set_generation(field.generation.id);
      backlog.set_model(field.generation.model);
      backlog.set_pending(count.Int(0));
      backlog.set_backlog(count.Int(1));
      backlog.set_failed(count.Int(2));
      backlog.set_paused(
          IsPaused(pauses, database.name(), collection->name(), ""));
      backlog.set_rate(database.outbox().RateOf(field.generation.id, now));
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
