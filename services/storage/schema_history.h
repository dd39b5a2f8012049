// How a file keeps its schema: the collections, their generations and the
// numbers of their fields, and every migration.

#ifndef ENGRAM_SERVICES_STORAGE_SCHEMA_HISTORY_H_
#define ENGRAM_SERVICES_STORAGE_SCHEMA_HISTORY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/sqlite/connection.h"
#include "services/storage/schema_plan.h"

namespace engram::storage {

// Reads the schema that there is. Within one transaction.
absl::StatusOr<SchemaState> ReadSchemaState(sqlite::Connection& connection);

// Reads the schema as it was after the migration of this number. `NotFound` if
// there is none.
absl::StatusOr<SchemaGoal> ReadOlderSchema(sqlite::Connection& connection,
                                           int64_t version);

// Stores what becomes of collections, generations and numbers, within the
// transaction that is open.
absl::Status StoreChanges(sqlite::Connection& connection,
                          const std::vector<CollectionChange>& changes,
                          int64_t now_us);

// Stores the migration of this number: its steps, and the collections as they
// are now, which it returns. `sequence` is that of its last change.
absl::StatusOr<std::vector<CollectionPtr>> StoreMigration(
    sqlite::Connection& connection, int64_t version,
    const std::vector<SchemaStep>& steps, int64_t now_us, int64_t sequence);

// Returns the collection as the migration left it that the change at `sequence`
// is part of, but without its name; nothing if the file does not tell: it was
// written before 0006_generations.sql.
absl::StatusOr<std::optional<v1::Collection>> ReadCollectionAsOf(
    sqlite::Connection& connection, int64_t collection, int64_t sequence);

// Reads at most `limit` migrations below `before`, newest first.
absl::StatusOr<std::vector<v1::SchemaMigration>> ReadMigrations(
    sqlite::Connection& connection, int64_t before, int limit);

// The step as the API describes it.
v1::SchemaStep ToProto(const SchemaStep& step);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SCHEMA_HISTORY_H_
