#ifndef ENGRAM_SERVICES_STORAGE_READ_TARGET_H_
#define ENGRAM_SERVICES_STORAGE_READ_TARGET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/database.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// What a read of a collection needs: one state of the file, and the collection
// in it. Holds a reader until the end of the scope.
struct ReadTarget {
  Database* database;
  ReadView view;
  CollectionPtr collection;

  sqlite::Connection& connection() const { return view.connection(); }
  // The position of that state, as answers carry it.
  absl::StatusOr<std::string> ReadPosition() const;
};

// `NotFound` if there is no such database or collection.
absl::StatusOr<ReadTarget> FindReadTarget(const DatabaseRegistry& registry,
                                          absl::string_view database,
                                          absl::string_view collection);
// The same within a database.
absl::StatusOr<ReadTarget> FindReadTarget(Database& database,
                                          absl::string_view collection);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_READ_TARGET_H_
