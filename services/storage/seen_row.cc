#include "services/storage/seen_row.h"

#include "libs/status/status_macros.h"
#include "services/storage/record_select.h"

namespace engram::storage {

absl::StatusOr<std::optional<int64_t>> FindSeenRow(const ReadTarget& target,
                                                   absl::string_view id,
                                                   int64_t now_us) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   target.connection().Cached(target.collection->select_by_id));
  select.BindText(1, id);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found || !select.IsNull(kRecordDeleted) ||
      (!select.IsNull(kRecordExpires) &&
       select.Int(kRecordExpires) <= now_us)) {
    return std::nullopt;
  }
  return select.Int(kRecordRow);
}

}  // namespace engram::storage
