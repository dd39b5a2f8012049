#include "services/storage/coverage.h"

#include "libs/sqlite/transaction.h"
#include "libs/status/status_macros.h"
#include "services/storage/generation_progress.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectRecords =
    "SELECT records FROM _collections WHERE collection = ?";
constexpr absl::string_view kCountFailures = R"sql(
SELECT reason, count(*) FROM _failures WHERE generation = ?
GROUP BY reason ORDER BY reason)sql";

absl::Status ReadFailures(sqlite::Connection& reader, int64_t generation,
                          v1::VectorFieldCoverage& coverage) {
  ASSIGN_OR_RETURN(sqlite::Statement select, reader.Cached(kCountFailures));
  select.BindInt(1, generation);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    v1::FailureCount& count = *coverage.add_failures();
    count.set_reason(static_cast<v1::FailureReason>(select.Int(0)));
    count.set_records(select.Int(1));
  }
}

}  // namespace

absl::Status ReadCoverage(Database& database, absl::string_view name,
                          v1::GetCoverageResponse* response) {
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ASSIGN_OR_RETURN(const CollectionPtr collection, view.Get(name));
  sqlite::Connection& reader = view.connection();
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(reader, database.epoch()));
  response->set_position(database.PositionAt(head.sequence).ToString());
  ASSIGN_OR_RETURN(sqlite::Statement records, reader.Cached(kSelectRecords));
  records.BindInt(1, collection->id);
  RETURN_IF_ERROR(records.Step().status());
  response->set_records(records.Int(0));
  const int64_t now_us = database.now_us();
  for (const VectorField& field : collection->vectors) {
    const Generation& generation = field.serving();
    ASSIGN_OR_RETURN(const GenerationProgress progress,
                     ReadProgress(reader, generation, now_us));
    v1::VectorFieldCoverage& coverage = *response->add_vector_fields();
    coverage.set_vector_field(field.name);
    coverage.set_generation(generation.id);
    coverage.set_embedded(progress.embedded);
    coverage.set_pending(progress.pending);
    RETURN_IF_ERROR(ReadFailures(reader, generation.id, coverage));
    coverage.set_without_text(response->records() - progress.embedded -
                              progress.pending - progress.failed);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
