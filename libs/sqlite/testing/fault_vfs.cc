#include "libs/sqlite/testing/fault_vfs.h"

namespace engram::testing {

// A file of the wrapper; the real one's memory follows it.
struct FaultFile {
  sqlite3_file base;
  FaultVfs* vfs;

  static FaultFile* From(sqlite3_file* file) {
    return reinterpret_cast<FaultFile*>(file);
  }
  static sqlite3_file* Real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(From(file) + 1);
  }

  static int Sync(sqlite3_file* file, int flags) {
    if (From(file)->vfs->fail_syncs_) return SQLITE_IOERR_FSYNC;
    return Real(file)->pMethods->xSync(Real(file), flags);
  }
  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file,
                  int flags, int* out_flags);
};

namespace {

// Forwards one method of a file to the real one.
template <auto kMethod, typename... Arguments>
int Forward(sqlite3_file* file, Arguments... arguments) {
  sqlite3_file* const real = FaultFile::Real(file);
  return (real->pMethods->*kMethod)(real, arguments...);
}

void ShmBarrier(sqlite3_file* file) {
  sqlite3_file* const real = FaultFile::Real(file);
  real->pMethods->xShmBarrier(real);
}

using Methods = sqlite3_io_methods;

const Methods kMethods = {
    .iVersion = 2,
    .xClose = Forward<&Methods::xClose>,
    .xRead = Forward<&Methods::xRead, void*, int, sqlite3_int64>,
    .xWrite = Forward<&Methods::xWrite, const void*, int, sqlite3_int64>,
    .xTruncate = Forward<&Methods::xTruncate, sqlite3_int64>,
    .xSync = FaultFile::Sync,
    .xFileSize = Forward<&Methods::xFileSize, sqlite3_int64*>,
    .xLock = Forward<&Methods::xLock, int>,
    .xUnlock = Forward<&Methods::xUnlock, int>,
    .xCheckReservedLock = Forward<&Methods::xCheckReservedLock, int*>,
    .xFileControl = Forward<&Methods::xFileControl, int, void*>,
    .xSectorSize = Forward<&Methods::xSectorSize>,
    .xDeviceCharacteristics = Forward<&Methods::xDeviceCharacteristics>,
    .xShmMap = Forward<&Methods::xShmMap, int, int, int, void volatile**>,
    .xShmLock = Forward<&Methods::xShmLock, int, int, int>,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = Forward<&Methods::xShmUnmap, int>,
};

}  // namespace

int FaultFile::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file,
                    int flags, int* out_flags) {
  auto* const self = static_cast<FaultVfs*>(vfs->pAppData);
  From(file)->vfs = self;
  const int code =
      self->real_->xOpen(self->real_, name, Real(file), flags, out_flags);
  // SQLite closes a file only if it has methods.
  file->pMethods = code == SQLITE_OK ? &kMethods : nullptr;
  return code;
}

FaultVfs::FaultVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.zName = "fault";
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(FaultFile)) + real_->szOsFile;
  vfs_.xOpen = FaultFile::Open;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, /*makeDflt=*/1);
}

}  // namespace engram::testing
