#ifndef ENGRAM_TOOLS_ENGRAMCTL_INPUT_FILE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_INPUT_FILE_H_

#include <cstdint>
#include <fstream>
#include <istream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace engram::engramctl {

// Opens a file to read; the error names it and says why it cannot be read.
// `bytes` becomes its size, 0 if that is not known, as of a pipe.
absl::Status OpenInput(const std::string& path, std::ifstream& file,
                       int64_t& bytes);

// All of a file, or of `in` if `path` is "-". `InvalidArgument` beyond
// `max_bytes`.
absl::StatusOr<std::string> ReadInput(const std::string& path, std::istream& in,
                                      int64_t max_bytes);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_INPUT_FILE_H_
