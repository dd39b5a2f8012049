// Whose texts are not handed out to be embedded: kept in system.db.

#ifndef ENGRAM_SERVICES_STORAGE_EMBEDDING_PAUSES_H_
#define ENGRAM_SERVICES_STORAGE_EMBEDDING_PAUSES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/sqlite/connection.h"

namespace engram::storage {

// Holds back what meets every field that is not empty.
struct EmbeddingPause {
  std::string database;
  std::string collection;
  std::string provider;
  int64_t created_us = 0;
};

// Whether texts of a collection that `provider` would embed are held back; an
// empty `provider` asks for pauses that name none.
bool IsPaused(absl::Span<const EmbeddingPause> pauses,
              absl::string_view database, absl::string_view collection,
              absl::string_view provider);

// By database, collection, provider.
absl::StatusOr<std::vector<EmbeddingPause>> ReadPauses(
    sqlite::Connection& system);

// Adds a pause, unless it is there already, or removes it.
absl::Status StorePause(sqlite::Connection& system,
                        const EmbeddingPause& pause);
absl::Status RemovePause(sqlite::Connection& system,
                         const EmbeddingPause& pause);
// Removes those that name the database.
absl::Status RemovePausesOf(sqlite::Connection& system,
                            absl::string_view database);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_EMBEDDING_PAUSES_H_
