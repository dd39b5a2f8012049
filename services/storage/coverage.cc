#include "services/storage/coverage.h"

#include "libs/sqlite/transaction.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectRecords =
    "SELECT records FROM _collections WHERE collection = ?";
// Records with vectors, outdated ones included; records that wait.
constexpr absl::string_view kSelectGeneration = R"sql(
SELECT records,
  (SELECT count(*) FROM _outbox WHERE _outbox.generation = g.generation)
FROM _generations AS g WHERE generation = ?)sql";
constexpr absl::string_view kCountFailures = R"sql(
SELECT reason, count(*) FROM _failures WHERE generation = ?
GROUP BY reason ORDER BY reason)sql";

// Returns how many there are in all.
absl::StatusOr<int64_t> ReadFailures(sqlite::Connection& reader,
                                     int64_t generation,
                                     v1::VectorFieldCoverage& coverage) {
  ASSIGN_OR_RETURN(sqlite::Statement select, reader.Cached(kCountFailures));
  select.BindInt(1, generation);
  int64_t failed = 0;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return failed;
    v1::FailureCount& count = *coverage.add_failures();
    count.set_reason(static_cast<v1::FailureReason>(select.Int(0)));
    count.set_records(select.Int(1));
    failed += count.records();
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
  for (const VectorField& field : collection->vectors) {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     reader.Cached(kSelectGeneration));
    select.BindInt(1, field.generation.id);
    RETURN_IF_ERROR(select.Step().status());
    ASSIGN_OR_RETURN(const int64_t outdated,
                     reader.QueryInt(field.generation.count_outdated));
    v1::VectorFieldCoverage& coverage = *response->add_vector_fields();
    coverage.set_vector_field(field.name);
    coverage.set_generation(field.generation.id);
    coverage.set_embedded(select.Int(0) - outdated);
    coverage.set_pending(select.Int(1));
    ASSIGN_OR_RETURN(const int64_t failed,
                     ReadFailures(reader, field.generation.id, coverage));
    coverage.set_without_text(response->records() - coverage.embedded() -
                              coverage.pending() - failed);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
