// How long changes stay in the log.

#ifndef ENGRAM_SERVICES_STORAGE_CHANGE_RETENTION_H_
#define ENGRAM_SERVICES_STORAGE_CHANGE_RETENTION_H_

#include <cstdint>
#include <limits>

#include "absl/status/statusor.h"
#include "libs/sqlite/connection.h"
#include "services/storage/change_log.h"

namespace engram::storage {

// Which changes may go.
struct ChangeRetention {
  // What is older goes, unless a follower needs it.
  int64_t oldest_us = 0;
  // Where the slowest follower is: that change and those after it stay for it.
  int64_t follower_sequence = std::numeric_limits<int64_t>::max();
  // What is beyond this goes in any case, the oldest first.
  int64_t max_bytes = std::numeric_limits<int64_t>::max();
};

// Returns the newest change that may go, and with it all before; less than
// `oldest`, the oldest change there is, if none may. The newest of all stays:
// it holds the running checksum.
absl::StatusOr<int64_t> FindLastToPrune(sqlite::Connection& connection,
                                        int64_t oldest, const LogHead& head,
                                        const ChangeRetention& retention);

// Returns the bytes of the log through the oldest change that is kept.
absl::StatusOr<int64_t> ReadOldestBytes(sqlite::Connection& connection);

// Removes changes up to `last` with their images, within the transaction that
// is open.
absl::Status RemoveChanges(sqlite::Connection& connection, int64_t last);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CHANGE_RETENTION_H_
