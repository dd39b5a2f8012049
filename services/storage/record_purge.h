#ifndef ENGRAM_SERVICES_STORAGE_RECORD_PURGE_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_PURGE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/storage/record_editor.h"

namespace engram::storage {

// What a purge did.
struct PurgeCounts {
  DeleteCounts deleted;
  // Records that others, with `on_delete: restrict`, keep from being deleted.
  int64_t kept = 0;
};

// Deletes records of one collection for good, with what refers to them; of
// those only row and id are needed. Where some must stay, the others go all the
// same. Returns how many were dealt with: fewer than all once `max_rows` went,
// as each may take many along.
absl::StatusOr<size_t> PurgeRecords(RecordEditor& editor,
                                    const Collection& collection,
                                    absl::Span<const StoredRecord> records,
                                    int64_t max_rows, PurgeCounts& counts);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_PURGE_H_
