#ifndef ENGRAM_SERVICES_SEARCH_MEMORY_BUDGET_H_
#define ENGRAM_SERVICES_SEARCH_MEMORY_BUDGET_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace engram::search {

// How much memory the indexes may take together: what is read from storage and
// would not fit is given up in time, before the kernel ends the process and all
// that it serves. What serves is never given up for it, and grows as it must.
//
// Thread-safe.
class MemoryBudget {
 public:
  // `serving` tells what the indexes that serve take, in bytes.
  MemoryBudget(int64_t max_bytes, std::function<int64_t()> serving)
      : max_bytes_(max_bytes), serving_(std::move(serving)) {}

  // What indexes take that are being built, while it lives. Not thread-safe.
  class Claim {
   public:
    // `budget` must outlive this object.
    explicit Claim(MemoryBudget& budget) : budget_(budget) {}
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

    // They take `bytes` now. `ResourceExhausted` with the numbers if that does
    // not fit beside what serves and what else is being built.
    absl::Status Set(int64_t bytes);

    // Whether they did not fit when that was told last.
    bool refused() const { return refused_; }

   private:
    MemoryBudget& budget_;
    int64_t bytes_ = 0;
    bool refused_ = false;
  };

 private:
  const int64_t max_bytes_;
  const std::function<int64_t()> serving_;

  absl::Mutex mutex_;
  // Of all claims.
  int64_t building_ ABSL_GUARDED_BY(mutex_) = 0;
};

// What indexes may take unless that is set: four fifths of the memory that this
// process may have, which the machine or its control group says.
int64_t DefaultMaxIndexBytes();

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_MEMORY_BUDGET_H_
