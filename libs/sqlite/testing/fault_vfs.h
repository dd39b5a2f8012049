#ifndef ENGRAM_LIBS_SQLITE_TESTING_FAULT_VFS_H_
#define ENGRAM_LIBS_SQLITE_TESTING_FAULT_VFS_H_

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <random>

#include "absl/time/time.h"
#include "libs/sqlite/testing/unsynced_files.h"

namespace engram::testing {

// A wrapper around the real file system that fails on request. While one
// exists, connections that are opened go through it; they must be closed before
// it ends. One at a time.
//
// Thread-safe, but for RestorePower.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // Makes every sync of a file fail, as a broken disk does, until told
  // otherwise.
  void FailSyncs() { fail_syncs_ = true; }

  // Leaves room for files to grow by so many bytes in all; then the disk is
  // full. What is written over old content needs none.
  void LimitRoom(int64_t bytes) { room_ = bytes; }

  // Ends FailSyncs and LimitRoom.
  void Heal();

  // Makes every sync take so much longer, as a slower disk's do.
  void SlowSyncs(absl::Duration delay) {
    sync_delay_us_ = absl::ToInt64Microseconds(delay);
  }

  // How many writes to files there were, and syncs.
  int64_t writes() const { return writes_; }
  int64_t syncs() const { return syncs_; }

  // From now on files that are opened can lose what is not synced. The syncs
  // themselves then cost nothing, for nothing waits for a disk.
  void KeepUnsyncedApart() { keeps_unsynced_apart_ = true; }

  // Loses the power in the middle of the n-th write, truncation or sync of a
  // file from now on (1 is the next): everything fails from then on. Needs
  // KeepUnsyncedApart.
  void LosePowerAfter(int64_t operations) { operations_left_ = operations; }
  bool power_is_lost() const { return power_is_lost_; }

  // Leaves of the files what `random` lets survive (UnsyncedFiles::LosePower),
  // as if the power had gone now if it had not before, and has all work again.
  // Every connection must have been closed.
  void RestorePower(std::mt19937_64& random);

 private:
  friend struct FaultFile;

  // Takes room for a write to the real file; whether there is enough.
  bool TakeRoom(sqlite3_file* real, sqlite3_int64 end);
  // Counts a write, truncation or sync; whether the power is gone by its end.
  bool LosesPower();

  std::atomic<bool> fail_syncs_ = false;
  std::atomic<int64_t> sync_delay_us_ = 0;
  std::atomic<int64_t> writes_ = 0;
  std::atomic<int64_t> syncs_ = 0;
  // Below 0: no end in sight.
  std::atomic<int64_t> room_ = -1;
  std::atomic<int64_t> operations_left_ = -1;
  std::atomic<bool> keeps_unsynced_apart_ = false;
  std::atomic<bool> power_is_lost_ = false;
  UnsyncedFiles unsynced_;
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
};

}  // namespace engram::testing

#endif  // ENGRAM_LIBS_SQLITE_TESTING_FAULT_VFS_H_
