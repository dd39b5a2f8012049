#ifndef ENGRAM_TOOLS_ENGRAMCTL_OUTPUT_FILE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_OUTPUT_FILE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::engramctl {

// A file that is there as a whole, or as it was before. What is written goes
// into `<path>.tmp` until Commit; a device or a pipe is written to as it is.
class OutputFile {
 public:
  // The error names the file and says why it cannot be written.
  static absl::StatusOr<std::unique_ptr<OutputFile>> Create(
      const std::string& path);

  // Removes what was not committed.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  absl::Status Write(absl::string_view text);

  // Puts the file in its place, on disk when this returns.
  absl::Status Commit();

 private:
  OutputFile(std::string path, std::string written_path, int file)
      : path_(std::move(path)),
        written_path_(std::move(written_path)),
        file_(file) {}

  const std::string path_;
  // Where the text goes; `path_` itself if that is no regular file.
  const std::string written_path_;
  // -1 once closed.
  int file_;
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_OUTPUT_FILE_H_
