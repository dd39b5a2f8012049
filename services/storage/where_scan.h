#ifndef ENGRAM_SERVICES_STORAGE_WHERE_SCAN_H_
#define ENGRAM_SERVICES_STORAGE_WHERE_SCAN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/filter/filter.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// How long a call may work.
struct CallBounds {
  absl::Time deadline = absl::InfiniteFuture();
  // Whether the caller has gone. Called by any thread.
  std::function<bool()> is_cancelled = [] { return false; };

  // `DeadlineExceeded` or `Cancelled` once it may not.
  absl::Status Check() const;
};

// Finds the records of a collection that meet a filter, without reading them.
class WhereScan {
 public:
  // Whether records are found that are deleted but kept.
  enum class Deleted { kHidden, kIncluded };

  // What has expired at `now_us` is not found; nor is it what `now` means.
  // `collection` must outlive this object.
  WhereScan(const Collection& collection, const filter::Node& filter,
            Deleted deleted, int64_t now_us);

  // The first `limit` rows after `after`, up to `through`, in order. Ends with
  // an error of `bounds` if those are reached.
  absl::StatusOr<std::vector<int64_t>> Rows(sqlite::Connection& connection,
                                            int64_t after, int64_t through,
                                            int limit,
                                            const CallBounds& bounds) const;

  // How many there are.
  absl::StatusOr<int64_t> Count(sqlite::Connection& connection,
                                const CallBounds& bounds) const;

 private:
  // The condition as SQL, and the values of its parameters.
  std::string table_;
  std::string condition_;
  std::vector<ColumnValue> parameters_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WHERE_SCAN_H_
