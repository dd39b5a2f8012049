#ifndef ENGRAM_SERVICES_STORAGE_AGGREGATE_SCAN_H_
#define ENGRAM_SERVICES_STORAGE_AGGREGATE_SCAN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "libs/sqlite/connection.h"
#include "services/storage/aggregate_plan.h"
#include "services/storage/call_bounds.h"
#include "services/storage/catalog.h"
#include "services/storage/group_table.h"

namespace engram::storage {

// Reads the records that `plan` is about, in one statement of only the columns
// that it uses, and adds them to `groups`. What has expired at `now_us` is left
// out; nor is it what `now` means. Ends with an error of `bounds` if those are
// reached, or of `groups`.
absl::Status ScanIntoGroups(sqlite::Connection& connection,
                            const Collection& collection,
                            const AggregatePlan& plan, const CallBounds& bounds,
                            int64_t now_us, GroupTable& groups);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_AGGREGATE_SCAN_H_
