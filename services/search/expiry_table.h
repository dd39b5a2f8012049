#ifndef ENGRAM_SERVICES_SEARCH_EXPIRY_TABLE_H_
#define ENGRAM_SERVICES_SEARCH_EXPIRY_TABLE_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::search {

// When the records of one collection expire: those that do, with vectors or
// without, for a vector field may be declared later.
//
// Thread-safe.
class ExpiryTable {
 public:
  // InfiniteFuture for a record that never does.
  void Set(int64_t row, absl::Time expires);
  // The record is gone.
  void Erase(int64_t row) { Set(row, absl::InfiniteFuture()); }

  // Takes over all that `other` holds, another object.
  void Take(ExpiryTable& other);

  bool IsExpired(int64_t row, absl::Time now) const;

  // The rows whose records have expired, though they are still there.
  std::vector<int64_t> ExpiredRows(absl::Time now) const;

  int64_t size() const;

  // Appends the table to `bytes`, and reads what that appended: `DataLoss` if
  // it is damaged.
  void Encode(std::string& bytes) const;
  absl::Status Decode(absl::string_view bytes);

 private:
  mutable absl::Mutex mutex_;
  // In microseconds since 1970.
  absl::flat_hash_map<int64_t, int64_t> expires_us_ ABSL_GUARDED_BY(mutex_);
  // Where no record ever expires, a query asks of each candidate in vain: then
  // it takes no lock. Set with mutex_ held.
  std::atomic<bool> is_empty_ = true;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_EXPIRY_TABLE_H_
