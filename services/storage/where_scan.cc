#include "services/storage/where_scan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/filter/sql.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"

namespace engram::storage {
namespace {

// Steps of SQLite's machine between two looks at the bounds: some 100 us.
constexpr int kStepsBetweenChecks = 20'000;

// Ends the statements of a connection when a call's bounds are reached.
class StatementGuard {
 public:
  StatementGuard(sqlite::Connection& connection, const CallBounds& bounds)
      : connection_(connection), bounds_(bounds) {
    sqlite3_progress_handler(
        connection.handle(), kStepsBetweenChecks,
        +[](void* self) {
          return static_cast<StatementGuard*>(self)->bounds_.Check().ok() ? 0
                                                                          : 1;
        },
        this);
  }
  ~StatementGuard() {
    sqlite3_progress_handler(connection_.handle(), 0, nullptr, nullptr);
  }
  StatementGuard(const StatementGuard&) = delete;
  StatementGuard& operator=(const StatementGuard&) = delete;

  // `status` of a statement, or why it was ended.
  absl::Status Explain(absl::Status status) const {
    if (status.ok()) return status;
    RETURN_IF_ERROR(bounds_.Check());
    return status;
  }

 private:
  sqlite::Connection& connection_;
  const CallBounds& bounds_;
};

std::string RowsWithElement(const Collection& collection, int place) {
  for (const ElementTable& elements : collection.elements) {
    if (elements.field == place) {
      return absl::StrCat("(", elements.select_rows, ")");
    }
  }
  return "";
}

// Binds the values to the parameters from `first` on; returns the next one.
int Bind(sqlite::Statement& statement, int first,
         const std::vector<ColumnValue>& values) {
  for (const ColumnValue& value : values) {
    BindColumn(statement, first++, value);
  }
  return first;
}

absl::Status ReadRows(sqlite::Statement& select, std::vector<int64_t>& rows) {
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    rows.push_back(select.Int(0));
  }
}

}  // namespace

absl::Status CallBounds::Check() const {
  if (absl::Now() >= deadline) {
    return absl::DeadlineExceededError("the call's deadline has passed");
  }
  if (is_cancelled()) return absl::CancelledError("the caller has gone");
  return absl::OkStatus();
}

WhereScan::WhereScan(const Collection& collection, const filter::Node& filter,
                     Deleted deleted, int64_t now_us)
    : table_(QuoteIdentifier(collection.name())) {
  const auto column = [&](int place) {
    return PlaceColumn(collection.spec, "", place);
  };
  const auto rows = [&](int place) {
    return RowsWithElement(collection, place);
  };
  filter::Sql sql = filter::CompileSql(
      filter, {.column = column, .rows_with_element = rows}, now_us);
  condition_ = absl::StrCat("(", sql.text, ")");
  parameters_ = std::move(sql.parameters);
  if (collection.expires()) {
    absl::StrAppend(&condition_,
                    " AND (_expires_us IS NULL OR _expires_us > ?)");
    parameters_.emplace_back(now_us);
  }
  if (deleted == Deleted::kHidden) {
    absl::StrAppend(&condition_, LiveRecords(collection.spec, " AND "));
  }
}

absl::StatusOr<std::vector<int64_t>> WhereScan::Rows(
    sqlite::Connection& connection, int64_t after, int64_t through, int limit,
    const CallBounds& bounds) const {
  const StatementGuard guard(connection, bounds);
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Prepare(absl::StrCat("SELECT _row FROM ", table_,
                                                   " WHERE ", condition_,
                                                   " AND _row > ? AND _row <= ?"
                                                   " ORDER BY _row LIMIT ?")));
  const int next = Bind(select, 1, parameters_);
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
                                      " WHERE ", condition_)));
  Bind(select, 1, parameters_);
  std::vector<int64_t> count;
  RETURN_IF_ERROR(guard.Explain(ReadRows(select, count)));
  return count.at(0);
}

}  // namespace engram::storage
