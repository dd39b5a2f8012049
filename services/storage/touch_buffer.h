#ifndef ENGRAM_SERVICES_STORAGE_TOUCH_BUFFER_H_
#define ENGRAM_SERVICES_STORAGE_TOUCH_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// How often a record was read that wants to know of it.
struct Touch {
  int64_t collection = 0;
  int64_t row = 0;
  int64_t count = 0;
  // When it was read last.
  int64_t last_us = 0;
};

// Gathers one database's touches until they are written, many to a commit. They
// may be lost in a crash. Thread-safe.
class TouchBuffer {
 public:
  // Holds at most `max_rows` records.
  explicit TouchBuffer(size_t max_rows = 65'536) : max_rows_(max_rows) {}

  // Notes that a record was read `count` times. False if it was dropped,
  // because too many others wait.
  bool Add(const Touch& touch);

  bool empty() const;
  // Whether the first of them waits since `us` or before.
  bool HasWaitedSince(int64_t us) const;

  // Hands out all there are.
  std::vector<Touch> Take();

 private:
  const size_t max_rows_;

  mutable absl::Mutex mutex_;
  // By collection and row: count and last time.
  absl::flat_hash_map<std::pair<int64_t, int64_t>, std::pair<int64_t, int64_t>>
      touches_ ABSL_GUARDED_BY(mutex_);
  // When the first was added since Take.
  int64_t first_us_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Writes touches: each has the effect of as many single ones as it counts, on
// fields and on a sliding expiry. No version, no change. What a touch makes of
// a field against its rules is left out. `rest` gets those, with the count that
// is left, that count too high to be written at once.
absl::Status WriteTouches(WriteTransaction& transaction, const Catalog& catalog,
                          const std::vector<Touch>& touches,
                          std::vector<Touch>* rest);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TOUCH_BUFFER_H_
