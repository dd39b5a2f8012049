#include "services/storage/data_directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// How often a start looks whether the other process has gone.
constexpr absl::Duration kRetryInterval = absl::Milliseconds(50);

absl::Status FileError(absl::string_view action, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat(action, " ", path, ": ", strerror(errno)));
}

std::string ReadHolder(int file) {
  char text[32] = {};
  const ssize_t size = pread(file, text, sizeof(text) - 1, 0);
  if (size <= 0) return "unknown";
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::Status WriteHolder(int file, const std::string& path) {
  const std::string text = absl::StrCat(getpid(), "\n");
  if (ftruncate(file, 0) != 0 || pwrite(file, text.data(), text.size(), 0) !=
                                     static_cast<ssize_t>(text.size())) {
    return FileError("write", path);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DataDirectoryLock> DataDirectoryLock::Acquire(
    const std::string& directory, absl::Duration wait) {
  RETURN_IF_ERROR(CreateDirectories(directory));
  const std::string path = absl::StrCat(directory, "/storage.lock");
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return FileError("open", path);
  DataDirectoryLock lock(file);
  const absl::Time deadline = absl::Now() + wait;
  while (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return FileError("lock", path);
    if (absl::Now() >= deadline) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory, " is in use by process ", ReadHolder(file),
                       "; stop it, or give this one a data-dir of its own"));
    }
    absl::SleepFor(kRetryInterval);
  }
  RETURN_IF_ERROR(WriteHolder(file, path));
  return lock;
}

DataDirectoryLock::DataDirectoryLock(DataDirectoryLock&& other) noexcept
    : file_(std::exchange(other.file_, -1)) {}

DataDirectoryLock::~DataDirectoryLock() {
  if (file_ >= 0) close(file_);
}

absl::Status SyncDirectory(const std::string& directory) {
  const int file = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return FileError("open", directory);
  const bool synced = fsync(file) == 0;
  const absl::Status status =
      synced ? absl::OkStatus() : FileError("sync", directory);
  close(file);
  return status;
}

absl::Status CreateDirectories(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path path =
      std::filesystem::absolute(directory, error).lexically_normal();
  std::filesystem::path made;
  for (const std::filesystem::path& part : path) {
    const std::filesystem::path parent = made;
    made /= part;
    if (std::filesystem::is_directory(made, error)) continue;
    if (mkdir(made.c_str(), 0700) != 0 && errno != EEXIST) {
      return FileError("create", made.string());
    }
    RETURN_IF_ERROR(SyncDirectory(parent.string()));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
