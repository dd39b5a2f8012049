#include "services/search/durable_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"

namespace engram::search {
namespace {

absl::Status FileError(absl::string_view action, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(action, " ", path));
}

absl::Status SyncDirectory(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return FileError("open", path);
  const absl::Cleanup close_it = [&] { close(descriptor); };
  if (fsync(descriptor) != 0) return FileError("sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSynced(const std::string& path,
                         absl::FunctionRef<absl::Status(std::FILE*)> write) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return FileError("create", path);
  absl::Cleanup close_it = [&] { std::fclose(file); };
  RETURN_IF_ERROR(write(file));
  if (std::fflush(file) != 0) return FileError("write", path);
  if (fsync(fileno(file)) != 0) return FileError("sync", path);
  std::move(close_it).Cancel();
  if (std::fclose(file) != 0) return FileError("close", path);
  return absl::OkStatus();
}

absl::Status WriteSynced(const std::string& path, absl::string_view content) {
  return WriteSynced(
      path, [&](std::FILE* file) { return WriteBytes(content, path, file); });
}

absl::Status WriteBytes(absl::string_view bytes, const std::string& path,
                        std::FILE* file) {
  // Nothing may have no address, which fwrite wants all the same.
  if (bytes.empty()) return absl::OkStatus();
  errno = 0;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size()) {
    return absl::OkStatus();
  }
  if (errno == 0) errno = EIO;
  return FileError("write", path);
}

absl::Status ReplaceFile(const std::string& path, absl::string_view content) {
  return ReplaceFile(
      path, [&](std::FILE* file) { return WriteBytes(content, path, file); });
}

absl::Status ReplaceFile(const std::string& path,
                         absl::FunctionRef<absl::Status(std::FILE*)> write) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  RETURN_IF_ERROR(WriteSynced(temporary, write));
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return FileError("rename", temporary);
  }
  return SyncDirectory(std::filesystem::path(path).parent_path());
}

absl::Status WithFile(const std::string& path,
                      absl::FunctionRef<absl::Status(absl::string_view)> use) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return FileError("open", path);
  const absl::Cleanup close_it = [&] { close(descriptor); };
  struct stat info;
  if (fstat(descriptor, &info) != 0) return FileError("inspect", path);
  const size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) return use("");
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (bytes == MAP_FAILED) return FileError("map", path);
  const absl::Cleanup unmap_it = [&] { munmap(bytes, size); };
  return use(absl::string_view(static_cast<const char*>(bytes), size));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::string content;
  RETURN_IF_ERROR(WithFile(path, [&](absl::string_view bytes) {
    content = std::string(bytes);
    return absl::OkStatus();
  }));
  return content;
}

absl::StatusOr<FileSummary> Summarize(const std::string& path) {
  FileSummary summary;
  RETURN_IF_ERROR(WithFile(path, [&](absl::string_view bytes) {
    summary.size = static_cast<int64_t>(bytes.size());
    summary.checksum = vector::Checksum(bytes);
    return absl::OkStatus();
  }));
  return summary;
}

}  // namespace engram::search
