// The SQL files of this folder, compiled in.

#ifndef ENGRAM_SERVICES_STORAGE_MIGRATIONS_MIGRATIONS_H_
#define ENGRAM_SERVICES_STORAGE_MIGRATIONS_MIGRATIONS_H_

#include "absl/types/span.h"
#include "libs/sqlite/migrator.h"

namespace engram::storage {

// Of system.db.
absl::Span<const sqlite::Migration> SystemMigrations();
// Of each database's engram.db.
absl::Span<const sqlite::Migration> DatabaseMigrations();

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_MIGRATIONS_MIGRATIONS_H_
