#ifndef ENGRAM_SERVICES_STORAGE_LOCAL_BACKUP_H_
#define ENGRAM_SERVICES_STORAGE_LOCAL_BACKUP_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "libs/sqlite/connection.h"

namespace engram::storage {

// How many copies a folder keeps.
inline constexpr int kKeptBackups = 3;

// Copies the file of `source`, which has no transaction open, to a new file in
// `directory`, in one read transaction, and checks the copy's integrity; then
// removes all but the newest copies there. The copy is one file, 0600, on disk
// when this returns. `schema_version` and `now_us` become part of its name.
// Returns its path. A failure leaves no file behind.
absl::StatusOr<std::string> BackupLocally(sqlite::Connection& source,
                                          const std::string& directory,
                                          int64_t schema_version,
                                          int64_t now_us);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_LOCAL_BACKUP_H_
