#include "services/storage/dropped_generations.h"

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectDropped =
    "SELECT min(generation) FROM _dropped_generations";
constexpr absl::string_view kDeleteDropped =
    "DELETE FROM _dropped_generations WHERE generation = ?";
constexpr absl::string_view kDeleteEntries = R"sql(
DELETE FROM _outbox WHERE entry IN
  (SELECT entry FROM _outbox WHERE generation = ? ORDER BY row LIMIT ?))sql";
constexpr absl::string_view kDeleteFailures = R"sql(
DELETE FROM _failures WHERE failure IN
  (SELECT failure FROM _failures WHERE generation = ? ORDER BY row
   LIMIT ?))sql";

// Returns how many rows it deleted.
absl::StatusOr<int> Delete(sqlite::Connection& connection,
                           absl::string_view sql, int64_t generation,
                           int limit) {
  ASSIGN_OR_RETURN(sqlite::Statement remove, connection.Cached(sql));
  remove.BindInt(1, generation);
  remove.BindInt(2, limit);
  RETURN_IF_ERROR(remove.Run());
  return static_cast<int>(connection.changes());
}

absl::StatusOr<int> DeleteVectors(sqlite::Connection& connection,
                                  const std::string& table, int limit) {
  ASSIGN_OR_RETURN(
      sqlite::Statement remove,
      connection.Prepare(absl::StrCat("DELETE FROM ", table,
                                      " WHERE _key IN (SELECT _key FROM ",
                                      table, " ORDER BY _key LIMIT ?)")));
  remove.BindInt(1, limit);
  RETURN_IF_ERROR(remove.Run());
  return static_cast<int>(connection.changes());
}

}  // namespace

std::vector<std::string> DropGenerationSql(int64_t generation) {
  return {
      absl::StrCat("INSERT INTO _dropped_generations (generation) VALUES (",
                   generation, ")"),
      absl::StrCat("DELETE FROM _generations WHERE generation = ", generation)};
}

absl::StatusOr<bool> RemoveDropped(WriteTransaction& transaction, int limit) {
  sqlite::Connection& connection = transaction.connection();
  int64_t generation = 0;
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     connection.Cached(kSelectDropped));
    RETURN_IF_ERROR(select.Step().status());
    if (select.IsNull(0)) return false;
    generation = select.Int(0);
  }
  ASSIGN_OR_RETURN(const int entries,
                   Delete(connection, kDeleteEntries, generation, limit));
  transaction.effects().outbox_growth -= entries;
  limit -= entries;
  ASSIGN_OR_RETURN(const int failures,
                   Delete(connection, kDeleteFailures, generation, limit));
  transaction.effects().failures_growth -= failures;
  limit -= failures;
  const std::string table = absl::StrCat("_vectors_", generation);
  ASSIGN_OR_RETURN(const int vectors, DeleteVectors(connection, table, limit));
  limit -= vectors;
  if (limit == 0) return true;
  RETURN_IF_ERROR(connection.Execute(absl::StrCat("DROP TABLE ", table)));
  ASSIGN_OR_RETURN(sqlite::Statement remove, connection.Cached(kDeleteDropped));
  remove.BindInt(1, generation);
  RETURN_IF_ERROR(remove.Run());
  // Perhaps of another one.
  return true;
}

}  // namespace engram::storage
