#ifndef ENGRAM_SERVICES_STORAGE_WHERE_SCAN_H_
#define ENGRAM_SERVICES_STORAGE_WHERE_SCAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/filter/filter.h"
#include "libs/sqlite/connection.h"
#include "services/storage/call_bounds.h"
#include "services/storage/catalog.h"
#include "services/storage/record_condition.h"

namespace engram::storage {

// Finds the records of a collection that meet a filter, without reading them.
class WhereScan {
 public:
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
  std::string table_;
  RecordCondition condition_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WHERE_SCAN_H_
