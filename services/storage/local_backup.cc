#include "services/storage/local_backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "libs/log/log.h"
#include "libs/sqlite/sqlite_error.h"
#include "libs/status/status_macros.h"
#include "services/storage/data_directory_lock.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSuffix = ".db";

struct CloseHandle {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Handle = std::unique_ptr<sqlite3, CloseHandle>;

absl::Status FileError(absl::string_view action, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat(action, " ", path, ": ", strerror(errno)));
}

// Opened without sqlite::Connection, which would make it a write-ahead log's
// file before a page of it is there.
absl::StatusOr<Handle> OpenCopy(const std::string& path) {
  // SQLite creates files that others may read.
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                        S_IRUSR | S_IWUSR);
  if (file < 0) return FileError("create", path);
  close(file);
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE,
                                   /*zVfs=*/nullptr);
  Handle handle(db);
  if (code != SQLITE_OK) return sqlite::ToStatus(code, db, path);
  return handle;
}

absl::Status CopyPages(sqlite::Connection& source, sqlite3* copy) {
  sqlite3_backup* const backup =
      sqlite3_backup_init(copy, "main", source.handle(), "main");
  if (backup == nullptr) {
    return sqlite::ToStatus(sqlite3_extended_errcode(copy), copy, "backup");
  }
  // All pages in one step: one read transaction.
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return absl::OkStatus();
  return sqlite::ToStatus(stepped == SQLITE_DONE ? finished : stepped, copy,
                          "backup");
}

absl::Status Run(sqlite3* db, const char* sql) {
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return sqlite::ToStatus(sqlite3_extended_errcode(db), db, sql);
}

absl::Status CheckIntegrity(sqlite3* db) {
  std::string found;
  const auto note = [](void* text, int, char** values, char**) {
    static_cast<std::string*>(text)->assign(values[0]);
    // The first line says it.
    return 1;
  };
  const int code =
      sqlite3_exec(db, "PRAGMA integrity_check(1)", note, &found, nullptr);
  if (found == "ok") return absl::OkStatus();
  if (found.empty()) return sqlite::ToStatus(code, db, "integrity_check");
  return absl::DataLossError(absl::StrCat("the backup is damaged: ", found));
}

absl::Status FillCopy(sqlite::Connection& source, const std::string& path) {
  ASSIGN_OR_RETURN(const Handle copy, OpenCopy(path));
  RETURN_IF_ERROR(CopyPages(source, copy.get()));
  // One file, without a log beside it.
  RETURN_IF_ERROR(Run(copy.get(), "PRAGMA journal_mode = DELETE"));
  return CheckIntegrity(copy.get());
}

absl::Status SyncFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return FileError("open", path);
  const absl::Status status =
      fsync(file) == 0 ? absl::OkStatus() : FileError("sync", path);
  close(file);
  return status;
}

// Removes all but the newest copies, and what a crash left half done.
void RemoveOld(const std::string& directory) {
  std::vector<std::filesystem::path> copies, unwanted;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (!absl::StartsWith(name, "schema-")) continue;
    const bool is_whole = absl::EndsWith(name, kSuffix);
    (is_whole ? copies : unwanted).push_back(entry.path());
  }
  // Their names begin with the time.
  std::sort(copies.begin(), copies.end());
  if (copies.size() > kKeptBackups) {
    unwanted.insert(unwanted.end(), copies.begin(),
                    copies.end() - kKeptBackups);
  }
  for (const std::filesystem::path& path : unwanted) {
    std::filesystem::remove(path, error);
    if (!error) continue;
    log::Warning("old backup not removed",
                 {{"path", path.string()}, {"error", error.message()}});
  }
}

}  // namespace

absl::StatusOr<std::string> BackupLocally(sqlite::Connection& source,
                                          const std::string& directory,
                                          int64_t schema_version,
                                          int64_t now_us) {
  RETURN_IF_ERROR(CreateDirectories(directory));
  const std::string path = absl::StrCat(
      directory, "/schema-",
      absl::FormatTime("%Y%m%dT%H%M%E6S", absl::FromUnixMicros(now_us),
                       absl::UTCTimeZone()),
      absl::StrFormat("-v%d", schema_version), kSuffix);
  const std::string unfinished = absl::StrCat(path, ".unfinished");
  absl::Status status = FillCopy(source, unfinished);
  if (status.ok()) status = SyncFile(unfinished);
  if (status.ok() && std::rename(unfinished.c_str(), path.c_str()) != 0) {
    status = FileError("rename", unfinished);
  }
  if (!status.ok()) {
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
      std::remove(absl::StrCat(unfinished, suffix).c_str());
    }
    return absl::Status(
        status.code(),
        absl::StrCat("no backup, so nothing is changed: ", status.message()));
  }
  RETURN_IF_ERROR(SyncDirectory(directory));
  RemoveOld(directory);
  return path;
}

}  // namespace engram::storage
