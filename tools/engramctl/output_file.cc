#include "tools/engramctl/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"

namespace engram::engramctl {
namespace {

// So that a power loss does not undo a rename.
void SyncDirectoryOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const int folder = open(parent.empty() ? "." : parent.c_str(),
                          O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

}  // namespace

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Create(
    const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::ErrnoToStatus(EISDIR, path);
  }
  const bool is_special = std::filesystem::exists(path, error) &&
                          !std::filesystem::is_regular_file(path, error);
  std::string written_path = is_special ? path : path + ".tmp";
  const int file = open(written_path.c_str(),
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return absl::ErrnoToStatus(errno, written_path);
  return absl::WrapUnique(new OutputFile(path, std::move(written_path), file));
}

OutputFile::~OutputFile() {
  if (file_ < 0) return;
  close(file_);
  if (written_path_ != path_) unlink(written_path_.c_str());
}

absl::Status OutputFile::Write(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, written_path_);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Commit() {
  if (written_path_ != path_) {
    if (fsync(file_) != 0) return absl::ErrnoToStatus(errno, written_path_);
    if (std::rename(written_path_.c_str(), path_.c_str()) != 0) {
      return absl::ErrnoToStatus(errno, path_);
    }
    SyncDirectoryOf(path_);
  }
  if (close(std::exchange(file_, -1)) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path_);
}

}  // namespace engram::engramctl
