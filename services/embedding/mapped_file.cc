#include "services/embedding/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace engram::embedding {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const auto error = [&] {
    const std::string message = absl::StrCat(path, ": ", strerror(errno));
    return errno == ENOENT || errno == ENOTDIR
               ? absl::NotFoundError(message)
               : absl::FailedPreconditionError(message);
  };
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return error();
  const absl::Cleanup closer = [&] { close(descriptor); };
  struct stat information;
  if (fstat(descriptor, &information) != 0) return error();
  const size_t size = information.st_size;
  if (size == 0) return MappedFile(absl::string_view());
  void* const start =
      mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (start == MAP_FAILED) return error();
  return MappedFile(absl::string_view(static_cast<const char*>(start), size));
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, absl::string_view())) {}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace engram::embedding
