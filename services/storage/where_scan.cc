#include "services/storage/where_scan.h"

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"

namespace engram::storage {
namespace {

absl::Status ReadRows(sqlite::Statement& select, std::vector<int64_t>& rows) {
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    rows.push_back(select.Int(0));
  }
}

}  // namespace

WhereScan::WhereScan(const Collection& collection, const filter::Node& filter,
                     Deleted deleted, int64_t now_us)
    : table_(QuoteIdentifier(collection.name())),
      condition_(CompileCondition(collection, filter, deleted, now_us)) {}

absl::StatusOr<std::vector<int64_t>> WhereScan::Rows(
    sqlite::Connection& connection, int64_t after, int64_t through, int limit,
    const CallBounds& bounds) const {
  const StatementGuard guard(connection, bounds);
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Prepare(absl::StrCat("SELECT _row FROM ", table_,
                                                   " WHERE ", condition_.sql,
                                                   " AND _row > ? AND _row <= ?"
                                                   " ORDER BY _row LIMIT ?")));
  const int next = BindAll(select, 1, condition_.parameters);
  select.BindInt(next, after);
  select.BindInt(next + 1, through);
  select.BindInt(next + 2, limit);
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(guard.Explain(ReadRows(select, rows)));
  return rows;
}

absl::StatusOr<int64_t> WhereScan::Count(sqlite::Connection& connection,
                                         const CallBounds& bounds) const {
  const StatementGuard guard(connection, bounds);
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      connection.Prepare(absl::StrCat("SELECT count(*) FROM ", table_,
                                      " WHERE ", condition_.sql)));
  BindAll(select, 1, condition_.parameters);
  std::vector<int64_t> count;
  RETURN_IF_ERROR(guard.Explain(ReadRows(select, count)));
  return count.at(0);
}

}  // namespace engram::storage
