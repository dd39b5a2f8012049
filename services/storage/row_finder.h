#ifndef ENGRAM_SERVICES_STORAGE_ROW_FINDER_H_
#define ENGRAM_SERVICES_STORAGE_ROW_FINDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/statement.h"
#include "services/storage/catalog.h"
#include "services/storage/record_condition.h"
#include "services/storage/record_order.h"

namespace engram::storage {

// Finds the records that a list is of. What sorts and skips carries row numbers
// only, no large columns. Statements may run long; their errors are SQLite's.
// For use during one call, on one thread.
class RowFinder {
 public:
  // What has expired at `now_us` is not found; nor is it what `now` means. Both
  // references must outlive this object.
  RowFinder(sqlite::Connection& connection, const Collection& collection,
            const filter::Node& filter, int64_t now_us);

  // Gets a found record's columns; false ends the search.
  using Visitor =
      absl::FunctionRef<absl::StatusOr<bool>(const sqlite::Statement&)>;

  // Visits the first `limit` records in `order`, by `columns` of theirs; with
  // `after`, of those behind the record whose keys have these values
  // (RecordsAfter).
  absl::Status InOrder(const RecordOrder& order,
                       const std::vector<ColumnValue>* after, size_t limit,
                       absl::string_view columns, Visitor visit);

  // Whether there is one behind the record whose keys have these values.
  absl::StatusOr<bool> HasAfter(const RecordOrder& order,
                                const std::vector<ColumnValue>& values);

  // `count` rows by chance, or all if there are fewer: each set of so many is
  // as likely as any other, and so is each order.
  absl::StatusOr<std::vector<int64_t>> ByChance(size_t count);

  // How many there are.
  absl::StatusOr<int64_t> Count();

 private:
  // Visits `limit` records of `part` at most; returns how many may still be
  // visited.
  absl::StatusOr<size_t> VisitPart(const RecordOrder& order,
                                   const KeysetPart& part, size_t limit,
                                   absl::string_view columns, Visitor visit);
  // SQL that selects the rows of a part, as `found`.
  std::string SelectPart(const KeysetPart& part) const;
  // Binds its values; returns the parameter after them.
  int BindPart(sqlite::Statement& select, const KeysetPart& part) const;
  absl::Status Draw(size_t count, std::vector<int64_t>& rows);
  absl::StatusOr<std::vector<int64_t>> Shuffle(size_t count);

  sqlite::Connection& connection_;
  const std::string table_;
  const RecordCondition condition_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ROW_FINDER_H_
