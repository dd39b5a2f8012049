#include "tools/engramctl/input_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::engramctl {

absl::Status OpenInput(const std::string& path, std::ifstream& file,
                       int64_t& bytes) {
  std::error_code error;
  bytes = 0;
  // A folder can be opened, and then reads as nothing.
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a folder"));
  }
  if (std::filesystem::is_regular_file(path, error)) {
    bytes = static_cast<int64_t>(std::filesystem::file_size(path, error));
    if (error) bytes = 0;
  }
  errno = 0;
  file.open(path, std::ios::binary);
  if (file.is_open()) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

absl::StatusOr<std::string> ReadInput(const std::string& path, std::istream& in,
                                      int64_t max_bytes) {
  std::ifstream file;
  int64_t bytes = 0;
  const bool is_stream = path == "-";
  if (!is_stream) RETURN_IF_ERROR(OpenInput(path, file, bytes));
  std::istream& stream = is_stream ? in : file;
  // One byte more than allowed tells a text of just that size from a longer
  // one.
  std::string text(max_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  const std::string name = is_stream ? "stdin" : path;
  if (stream.bad()) {
    return absl::DataLossError(absl::StrCat(name, ": cannot be read"));
  }
  if (static_cast<int64_t>(text.size()) > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": has more than ", max_bytes, " bytes"));
  }
  return text;
}

}  // namespace engram::engramctl
