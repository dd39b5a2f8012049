#include "services/search/memory_budget.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace engram::search {

MemoryBudget::Claim::~Claim() {
  absl::MutexLock lock(&budget_.mutex_);
  budget_.building_ -= bytes_;
}

absl::Status MemoryBudget::Claim::Set(int64_t bytes) {
  const int64_t serving = budget_.serving_();
  absl::MutexLock lock(&budget_.mutex_);
  budget_.building_ += bytes - bytes_;
  bytes_ = bytes;
  refused_ = serving + budget_.building_ > budget_.max_bytes_;
  if (!refused_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "takes ", bytes, " bytes so far; the indexes that serve take ", serving,
      ", others being built ", budget_.building_ - bytes,
      ", and --max-index-bytes allows ", budget_.max_bytes_,
      " together: raise it, or give the process more memory"));
}

int64_t DefaultMaxIndexBytes() {
  int64_t bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  // Of version 2 and 1; a file that says `max` sets no limit, nor does one that
  // is not there.
  for (const char* const path :
       {"/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    int64_t limit = 0;
    if (std::ifstream(path) >> limit && limit > 0) {
      bytes = std::min(bytes, limit);
    }
  }
  return bytes / 5 * 4;
}

}  // namespace engram::search
