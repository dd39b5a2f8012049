// What is to be done about generations when nobody asks.

#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_UPKEEP_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_UPKEEP_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// The most records that a backfill looks at in one transaction, and rows that
// are removed of what was dropped.
inline constexpr int kMaxUpkeepRows = 500;

// What one round found.
struct GenerationWork {
  // Generations that may serve now: CutOver decides.
  std::vector<int64_t> complete;
  // Generations that were kept for long enough: for DropRetired.
  std::vector<int64_t> kept_enough;
  // Records that backfills looked at.
  int looked_at = 0;
  // When to come again.
  int64_t next_us = std::numeric_limits<int64_t>::max();
};

// Lets backfills look at up to `records` records together, removes rows of what
// was dropped, and says what else is due: a transaction that nobody minds.
absl::StatusOr<GenerationWork> KeepGenerations(WriteTransaction& transaction,
                                               const Catalog& catalog,
                                               int records,
                                               absl::Duration rollback_period);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_UPKEEP_H_
