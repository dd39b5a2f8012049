#ifndef ENGRAM_SERVICES_EMBEDDING_MAPPED_FILE_H_
#define ENGRAM_SERVICES_EMBEDDING_MAPPED_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::embedding {

// A file's bytes, mapped for reading. Movable; what bytes() returned stays
// valid until the last owner ends.
class MappedFile {
 public:
  // `NotFound` if there is no such file; `FailedPrecondition` if it cannot be
  // read, with the reason. An empty file maps to no bytes.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  absl::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(absl::string_view bytes) : bytes_(bytes) {}

  absl::string_view bytes_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_MAPPED_FILE_H_
