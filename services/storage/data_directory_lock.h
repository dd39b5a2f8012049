#ifndef ENGRAM_SERVICES_STORAGE_DATA_DIRECTORY_LOCK_H_
#define ENGRAM_SERVICES_STORAGE_DATA_DIRECTORY_LOCK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace engram::storage {

// Keeps other processes out of a folder, by a lock on its file `storage.lock`
// that the system takes back when the process ends, however it ends.
class DataDirectoryLock {
 public:
  // Creates the folder, mode 0700, if there is none. `FailedPrecondition`
  // naming the holder's process id if another process holds the folder for
  // longer than `wait`.
  static absl::StatusOr<DataDirectoryLock> Acquire(const std::string& directory,
                                                   absl::Duration wait);

  DataDirectoryLock(DataDirectoryLock&& other) noexcept;
  DataDirectoryLock& operator=(DataDirectoryLock&&) = delete;
  ~DataDirectoryLock();

 private:
  explicit DataDirectoryLock(int file) : file_(file) {}

  // -1 once moved from.
  int file_;
};

// Makes the folder's entries, files that were created in it, survive a power
// loss.
absl::Status SyncDirectory(const std::string& directory);

// Creates a folder, mode 0700, and those above it that are missing, so that
// they survive a power loss. One that exists is no error.
absl::Status CreateDirectories(const std::string& directory);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_DATA_DIRECTORY_LOCK_H_
