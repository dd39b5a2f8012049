#include "libs/sqlite/testing/fault_vfs.h"

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

namespace engram::testing {

// A file of the wrapper; the real one's memory follows it.
struct FaultFile {
  sqlite3_file base;
  FaultVfs* vfs;
  // Null if nobody asks what of it is synced. SQLite keeps the name it opened a
  // file by until after it closed it.
  const char* path;
  // Its next sync syncs the directory too, as SQLite has it for the first one
  // of a journal or write-ahead log.
  bool syncs_directory;

  static FaultFile* From(sqlite3_file* file) {
    return reinterpret_cast<FaultFile*>(file);
  }
  static sqlite3_file* Real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(From(file) + 1);
  }

  static int Write(sqlite3_file* file, const void* data, int bytes,
                   sqlite3_int64 offset);
  static int Truncate(sqlite3_file* file, sqlite3_int64 size);
  static int Sync(sqlite3_file* file, int flags);
  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file,
                  int flags, int* out_flags);
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory);
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
    .xWrite = FaultFile::Write,
    .xTruncate = FaultFile::Truncate,
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

int FaultFile::Write(sqlite3_file* file, const void* data, int bytes,
                     sqlite3_int64 offset) {
  FaultFile* const self = From(file);
  ++self->vfs->writes_;
  if (self->vfs->power_is_lost_) return SQLITE_IOERR_WRITE;
  if (!self->vfs->TakeRoom(Real(file), offset + bytes)) return SQLITE_FULL;
  if (self->path != nullptr) {
    // The write during which the power goes may still get to the disk.
    self->vfs->unsynced_.Write(self->path, static_cast<size_t>(offset),
                               absl::string_view(static_cast<const char*>(data),
                                                 static_cast<size_t>(bytes)));
    if (self->vfs->LosesPower()) return SQLITE_IOERR_WRITE;
  }
  return Real(file)->pMethods->xWrite(Real(file), data, bytes, offset);
}

int FaultFile::Truncate(sqlite3_file* file, sqlite3_int64 size) {
  FaultFile* const self = From(file);
  if (self->vfs->power_is_lost_) return SQLITE_IOERR_TRUNCATE;
  if (self->path != nullptr) {
    self->vfs->unsynced_.Truncate(self->path, static_cast<size_t>(size));
    if (self->vfs->LosesPower()) return SQLITE_IOERR_TRUNCATE;
  }
  return Real(file)->pMethods->xTruncate(Real(file), size);
}

int FaultFile::Sync(sqlite3_file* file, int flags) {
  FaultFile* const self = From(file);
  ++self->vfs->syncs_;
  const int64_t delay_us = self->vfs->sync_delay_us_;
  if (delay_us > 0) absl::SleepFor(absl::Microseconds(delay_us));
  if (self->vfs->fail_syncs_) return SQLITE_IOERR_FSYNC;
  if (self->path == nullptr) {
    return Real(file)->pMethods->xSync(Real(file), flags);
  }
  if (self->vfs->LosesPower()) return SQLITE_IOERR_FSYNC;
  self->vfs->unsynced_.Sync(self->path);
  if (self->syncs_directory) self->vfs->unsynced_.SyncDirectoryOf(self->path);
  self->syncs_directory = false;
  return SQLITE_OK;
}

int FaultFile::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file,
                    int flags, int* out_flags) {
  auto* const self = static_cast<FaultVfs*>(vfs->pAppData);
  From(file)->vfs = self;
  From(file)->path = nullptr;
  const int code =
      self->real_->xOpen(self->real_, name, Real(file), flags, out_flags);
  // SQLite closes a file only if it has methods.
  file->pMethods = code == SQLITE_OK ? &kMethods : nullptr;
  if (code == SQLITE_OK && name != nullptr && self->keeps_unsynced_apart_) {
    From(file)->path = name;
    From(file)->syncs_directory =
        (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    self->unsynced_.Open(name);
  }
  return code;
}

int FaultFile::Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  auto* const self = static_cast<FaultVfs*>(vfs->pAppData);
  if (self->power_is_lost_) return SQLITE_IOERR_DELETE;
  if (self->keeps_unsynced_apart_) {
    self->unsynced_.Delete(name);
    if (sync_directory != 0) self->unsynced_.SyncDirectoryOf(name);
  }
  return self->real_->xDelete(self->real_, name, sync_directory);
}

FaultVfs::FaultVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.zName = "fault";
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(FaultFile)) + real_->szOsFile;
  vfs_.xOpen = FaultFile::Open;
  vfs_.xDelete = FaultFile::Delete;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, /*makeDflt=*/1);
}

void FaultVfs::Heal() {
  fail_syncs_ = false;
  room_ = -1;
}

bool FaultVfs::TakeRoom(sqlite3_file* real, sqlite3_int64 end) {
  int64_t room = room_;
  if (room < 0) return true;
  sqlite3_int64 size = 0;
  if (real->pMethods->xFileSize(real, &size) != SQLITE_OK) return true;
  while (end > size) {
    if (end - size > room) return false;
    if (room_.compare_exchange_weak(room, room - (end - size))) break;
  }
  return true;
}

bool FaultVfs::LosesPower() {
  if (!power_is_lost_ && operations_left_ > 0 && --operations_left_ == 0) {
    power_is_lost_ = true;
  }
  return power_is_lost_;
}

void FaultVfs::RestorePower(std::mt19937_64& random) {
  unsynced_.LosePower(random);
  operations_left_ = -1;
  power_is_lost_ = false;
}

}  // namespace engram::testing
