#include "services/storage/embedding_pauses.h"

#include <algorithm>

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelect = R"sql(
SELECT database, collection, provider, created_us FROM _pauses
ORDER BY database, collection, provider)sql";
constexpr absl::string_view kInsert = R"sql(
INSERT OR IGNORE INTO _pauses (database, collection, provider, created_us)
VALUES (?, ?, ?, ?))sql";
constexpr absl::string_view kDelete = R"sql(
DELETE FROM _pauses WHERE database = ? AND collection = ? AND provider = ?)sql";
constexpr absl::string_view kDeleteOfDatabase =
    "DELETE FROM _pauses WHERE database = ?";

void BindNames(const EmbeddingPause& pause, sqlite::Statement& statement) {
  statement.BindText(1, pause.database);
  statement.BindText(2, pause.collection);
  statement.BindText(3, pause.provider);
}

}  // namespace

bool IsPaused(absl::Span<const EmbeddingPause> pauses,
              absl::string_view database, absl::string_view collection,
              absl::string_view provider) {
  return std::any_of(
      pauses.begin(), pauses.end(), [&](const EmbeddingPause& pause) {
        return (pause.database.empty() || pause.database == database) &&
               (pause.collection.empty() || pause.collection == collection) &&
               (pause.provider.empty() || pause.provider == provider);
      });
}

absl::StatusOr<std::vector<EmbeddingPause>> ReadPauses(
    sqlite::Connection& system) {
  ASSIGN_OR_RETURN(sqlite::Statement select, system.Cached(kSelect));
  std::vector<EmbeddingPause> pauses;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return pauses;
    pauses.push_back({.database = std::string(select.Text(0)),
                      .collection = std::string(select.Text(1)),
                      .provider = std::string(select.Text(2)),
                      .created_us = select.Int(3)});
  }
}

absl::Status StorePause(sqlite::Connection& system,
                        const EmbeddingPause& pause) {
  ASSIGN_OR_RETURN(sqlite::Statement insert, system.Cached(kInsert));
  BindNames(pause, insert);
  insert.BindInt(4, pause.created_us);
  return insert.Run();
}

absl::Status RemovePause(sqlite::Connection& system,
                         const EmbeddingPause& pause) {
  ASSIGN_OR_RETURN(sqlite::Statement remove, system.Cached(kDelete));
  BindNames(pause, remove);
  return remove.Run();
}

absl::Status RemovePausesOf(sqlite::Connection& system,
                            absl::string_view database) {
  ASSIGN_OR_RETURN(sqlite::Statement remove, system.Cached(kDeleteOfDatabase));
  remove.BindText(1, database);
  return remove.Run();
}

}  // namespace engram::storage
