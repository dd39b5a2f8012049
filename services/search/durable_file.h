// Files that are either wholly on disk or not counted on.

#ifndef ENGRAM_SERVICES_SEARCH_DURABLE_FILE_H_
#define ENGRAM_SERVICES_SEARCH_DURABLE_FILE_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::search {

// What a file holds, for comparing it with what was written.
struct FileSummary {
  int64_t size = 0;
  // vector::Checksum of its bytes.
  uint64_t checksum = 0;
};

// Creates `path`, lets `write` fill it, and syncs it. `ResourceExhausted` when
// the disk is full. A failure may leave a part of the file.
absl::Status WriteSynced(const std::string& path,
                         absl::FunctionRef<absl::Status(std::FILE*)> write);

// The same with bytes at hand.
absl::Status WriteSynced(const std::string& path, absl::string_view content);

// Writes bytes to the file of `path`.
absl::Status WriteBytes(absl::string_view bytes, const std::string& path,
                        std::FILE* file);

// Replaces `path` by `content`, whatever happens meanwhile either whole or not
// at all: temporary, sync, rename, sync directory.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);

// The same with what `write` writes. Who has mapped an earlier file of this
// path keeps that.
absl::Status ReplaceFile(const std::string& path,
                         absl::FunctionRef<absl::Status(std::FILE*)> write);

// Calls `use` with the bytes of a file, which are mapped for that time, and
// returns what it returns. `NotFound` if there is no such file.
absl::Status WithFile(const std::string& path,
                      absl::FunctionRef<absl::Status(absl::string_view)> use);

// Both by WithFile.
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::StatusOr<FileSummary> Summarize(const std::string& path);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DURABLE_FILE_H_
