// Puts what there was before a generation into the outbox, bit by bit.

#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_BACKFILL_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_BACKFILL_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// A generation's backfill waits while so many of its texts do that no write
// waits for: what is in the outbox is bounded, however much there is to embed.
inline constexpr int kMaxBackfillWaiting = 1000;

// Notes where a new generation's backfill ends: at the last record there is.
absl::Status BeginBackfill(sqlite::Connection& connection,
                           const Collection& collection,
                           const Generation& generation);

// Looks at the next records, at most `limit` of them, and adds those to the
// outbox whose text has no entry, failure or vectors yet; notes how far it came
// in the same transaction. Returns how many it looked at: fewer than `limit` if
// enough wait, or there are no more.
absl::StatusOr<int> Backfill(WriteTransaction& transaction,
                             const Collection& collection,
                             const Generation& generation, int limit);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_BACKFILL_H_
