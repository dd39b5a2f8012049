#include "libs/sqlite/temp_space.h"

#include <sqlite3.h>

#include <atomic>

namespace engram::sqlite {
namespace {

std::atomic<int64_t> limit = kDefaultTempSpaceBytes;
std::atomic<int64_t> used = 0;

// A temporary file; the real one's memory follows it.
struct TempFile {
  sqlite3_file base;
  // How far it was written: what is counted of it.
  int64_t size;

  static TempFile* From(sqlite3_file* file) {
    return reinterpret_cast<TempFile*>(file);
  }
  static sqlite3_file* Real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(From(file) + 1);
  }
};

// Forwards one method of a file to the real one.
template <auto kMethod, typename... Arguments>
int Forward(sqlite3_file* file, Arguments... arguments) {
  sqlite3_file* const real = TempFile::Real(file);
  return (real->pMethods->*kMethod)(real, arguments...);
}

void Count(sqlite3_file* file, int64_t size) {
  used += size - TempFile::From(file)->size;
  TempFile::From(file)->size = size;
}

int Close(sqlite3_file* file) {
  Count(file, 0);
  sqlite3_file* const real = TempFile::Real(file);
  return real->pMethods->xClose(real);
}

int Write(sqlite3_file* file, const void* data, int bytes,
          sqlite3_int64 offset) {
  const int64_t before = TempFile::From(file)->size;
  if (offset + bytes > before) {
    Count(file, offset + bytes);
    if (used > limit) {
      Count(file, before);
      return SQLITE_FULL;
    }
  }
  sqlite3_file* const real = TempFile::Real(file);
  return real->pMethods->xWrite(real, data, bytes, offset);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  sqlite3_file* const real = TempFile::Real(file);
  const int code = real->pMethods->xTruncate(real, size);
  if (code == SQLITE_OK && size < TempFile::From(file)->size) Count(file, size);
  return code;
}

using Methods = sqlite3_io_methods;

// Version 1: neither shared memory, which temporary files have not, nor mapped
// files, which would grow past Write.
const Methods kMethods = {
    .iVersion = 1,
    .xClose = Close,
    .xRead = Forward<&Methods::xRead, void*, int, sqlite3_int64>,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Forward<&Methods::xSync, int>,
    .xFileSize = Forward<&Methods::xFileSize, sqlite3_int64*>,
    .xLock = Forward<&Methods::xLock, int>,
    .xUnlock = Forward<&Methods::xUnlock, int>,
    .xCheckReservedLock = Forward<&Methods::xCheckReservedLock, int*>,
    .xFileControl = Forward<&Methods::xFileControl, int, void*>,
    .xSectorSize = Forward<&Methods::xSectorSize>,
    .xDeviceCharacteristics = Forward<&Methods::xDeviceCharacteristics>,
};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
         int* out_flags) {
  auto* const real = static_cast<sqlite3_vfs*>(vfs->pAppData);
  // SQLite names the file of a database, its log and its journal.
  if (name != nullptr) return real->xOpen(real, name, file, flags, out_flags);
  const int code =
      real->xOpen(real, name, TempFile::Real(file), flags, out_flags);
  TempFile::From(file)->size = 0;
  // SQLite closes a file only if it has methods.
  file->pMethods = code == SQLITE_OK ? &kMethods : nullptr;
  return code;
}

// Never unregistered: connections may be open to the end of the process.
const char* Register() {
  sqlite3_vfs* const real = sqlite3_vfs_find("unix");
  if (real == nullptr) return nullptr;
  auto* const vfs = new sqlite3_vfs(*real);
  vfs->zName = "engram-bounded-temp-space";
  vfs->pNext = nullptr;
  vfs->pAppData = real;
  vfs->szOsFile = static_cast<int>(sizeof(TempFile)) + real->szOsFile;
  vfs->xOpen = Open;
  sqlite3_vfs_register(vfs, /*makeDflt=*/0);
  return vfs->zName;
}

}  // namespace

const char* BoundedTempSpaceVfs() {
  static const char* const name = Register();
  return name;
}

void LimitTempSpace(int64_t bytes) { limit = bytes; }

int64_t UsedTempSpace() { return used; }

}  // namespace engram::sqlite
