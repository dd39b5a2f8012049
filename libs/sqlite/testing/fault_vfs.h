#ifndef ENGRAM_LIBS_SQLITE_TESTING_FAULT_VFS_H_
#define ENGRAM_LIBS_SQLITE_TESTING_FAULT_VFS_H_

#include <sqlite3.h>

#include <atomic>

namespace engram::testing {

// A wrapper around the real file system that fails on request. While one
// exists, connections that are opened go through it; they must be closed before
// it ends. One at a time.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // Makes every sync of a file fail, as a broken disk does, until told
  // otherwise.
  void FailSyncs() { fail_syncs_ = true; }
  void Heal() { fail_syncs_ = false; }

 private:
  friend struct FaultFile;

  std::atomic<bool> fail_syncs_ = false;
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
};

}  // namespace engram::testing

#endif  // ENGRAM_LIBS_SQLITE_TESTING_FAULT_VFS_H_
