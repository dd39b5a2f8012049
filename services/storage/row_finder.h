#ifndef ENGRAM_SERVICES_STORAGE_ROW_FINDER_H_
#define ENGRAM_SERVICES_STORAGE_ROW_FINDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/filter/filter.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"
#include "services/storage/record_condition.h"
#include "services/storage/record_order.h"

namespace engram::storage {

// Finds the rows of the records that a list is of, without reading them: what
// sorts and skips should not carry large columns. Statements may run long;
// their errors are SQLite's. For use during one call, on one thread.
class RowFinder {
 public:
  // What has expired at `now_us` is not found; nor is it what `now` means. Both
  // references must outlive this object.
  RowFinder(sqlite::Connection& connection, const Collection& collection,
            const filter::Node& filter, int64_t now_us);

  // The first `limit` rows in `order`; with `after`, of those behind the record
  // whose keys have these values (RecordsAfter).
  absl::StatusOr<std::vector<int64_t>> InOrder(
      const RecordOrder& order, const std::vector<ColumnValue>* after,
      size_t limit);

  // `count` rows by chance, or all if there are fewer: each set of so many is
  // as likely as any other, and so is each order.
  absl::StatusOr<std::vector<int64_t>> ByChance(size_t count);

  // How many there are.
  absl::StatusOr<int64_t> Count();

 private:
  // Adds rows to `rows` until it has `limit`.
  absl::Status AddPart(const RecordOrder& order, const KeysetPart& part,
                       size_t limit, std::vector<int64_t>& rows);
  absl::Status Draw(size_t count, std::vector<int64_t>& rows);
  absl::StatusOr<std::vector<int64_t>> Shuffle(size_t count);

  sqlite::Connection& connection_;
  const std::string table_;
  const RecordCondition condition_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ROW_FINDER_H_
