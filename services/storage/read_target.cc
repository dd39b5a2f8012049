#include "services/storage/read_target.h"

#include <utility>

#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"

namespace engram::storage {

absl::StatusOr<std::string> ReadTarget::ReadPosition() const {
  ASSIGN_OR_RETURN(const LogHead head,
                   ReadHead(connection(), database->epoch()));
  return database->PositionAt(head.sequence).ToString();
}

absl::StatusOr<ReadTarget> FindReadTarget(Database& database,
                                          absl::string_view collection) {
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ASSIGN_OR_RETURN(CollectionPtr found, view.Get(collection));
  return ReadTarget{.database = &database,
                    .view = std::move(view),
                    .collection = std::move(found)};
}

absl::StatusOr<ReadTarget> FindReadTarget(const DatabaseRegistry& registry,
                                          absl::string_view database,
                                          absl::string_view collection) {
  ASSIGN_OR_RETURN(Database * found, registry.Find(database));
  return FindReadTarget(*found, collection);
}

}  // namespace engram::storage
