#include "services/storage/row_finder.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/random_bits.h"

namespace engram::storage {
namespace {

// Rows are drawn at random as long as that is likely to be cheaper than to look
// at all of them.
constexpr size_t kDrawsPerRow = 64;
constexpr int64_t kRowsPerDraw = 16;

absl::Status ReadRows(sqlite::Statement& select, std::vector<int64_t>& rows) {
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    rows.push_back(select.Int(0));
  }
}

}  // namespace

RowFinder::RowFinder(sqlite::Connection& connection,
                     const Collection& collection, const filter::Node& filter,
                     int64_t now_us)
    : connection_(connection),
      table_(QuoteIdentifier(collection.name())),
      condition_(
          CompileCondition(collection, filter, Deleted::kHidden, now_us)) {}

absl::Status RowFinder::InOrder(const RecordOrder& order,
                                const std::vector<ColumnValue>* after,
                                size_t limit, absl::string_view columns,
                                Visitor visit) {
  if (after == nullptr) {
    return VisitPart(order, {}, limit, columns, visit).status();
  }
  for (const KeysetPart& part : RecordsAfter(order, *after)) {
    ASSIGN_OR_RETURN(limit, VisitPart(order, part, limit, columns, visit));
    if (limit == 0) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RowFinder::HasAfter(
    const RecordOrder& order, const std::vector<ColumnValue>& values) {
  for (const KeysetPart& part : RecordsAfter(order, values)) {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     connection_.Cached(SelectPart(part)));
    BindPart(select, part);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (found) return true;
  }
  return false;
}

absl::StatusOr<size_t> RowFinder::VisitPart(const RecordOrder& order,
                                            const KeysetPart& part,
                                            size_t limit,
                                            absl::string_view columns,
                                            Visitor visit) {
  // CROSS JOIN looks the rows up in the order in which they are found.
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection_.Cached(absl::StrCat(
                       "SELECT ", columns, " FROM (", SelectPart(part),
                       OrderSql(order, part.first_key), " LIMIT ?) CROSS JOIN ",
                       table_, " ON _row = found")));
  select.BindInt(BindPart(select, part), static_cast<int64_t>(limit));
  while (true) {
    ASSIGN_OR_RETURN(const bool is_row, select.Step());
    if (!is_row) return limit;
    --limit;
    ASSIGN_OR_RETURN(const bool goes_on, visit(select));
    if (!goes_on) return 0;
  }
}

std::string RowFinder::SelectPart(const KeysetPart& part) const {
  return absl::StrCat("SELECT _row AS found FROM ", table_, " WHERE ",
                      condition_.sql, part.condition.empty() ? "" : " AND ",
                      part.condition);
}

int RowFinder::BindPart(sqlite::Statement& select,
                        const KeysetPart& part) const {
  const int next = BindAll(select, 1, condition_.parameters);
  return BindAll(select, next, part.parameters);
}

absl::StatusOr<std::vector<int64_t>> RowFinder::ByChance(size_t count) {
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(Draw(count, rows));
  if (rows.size() == count) return rows;
  // Whether it comes to this does not depend on which rows were drawn, so it
  // favours none.
  return Shuffle(count);
}

// Tries row numbers, each as likely as any other; of a large table of which
// many rows are wanted that takes but some more tries than `count`.
absl::Status RowFinder::Draw(size_t count, std::vector<int64_t>& rows) {
  ASSIGN_OR_RETURN(sqlite::Statement bounds,
                   connection_.Cached(absl::StrCat(
                       "SELECT (SELECT min(_row) FROM ", table_,
                       "), (SELECT max(_row) FROM ", table_, ")")));
  RETURN_IF_ERROR(bounds.Step().status());
  std::uniform_int_distribution<int64_t> any(bounds.Int(0), bounds.Int(1));
  const int64_t draws =
      std::min(static_cast<int64_t>(count * kDrawsPerRow),
               (bounds.Int(1) - bounds.Int(0)) / kRowsPerDraw);
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      connection_.Cached(absl::StrCat("SELECT _row FROM ", table_, " WHERE ",
                                      condition_.sql, " AND _row = ?")));
  const int last = BindAll(select, 1, condition_.parameters);
  RandomSource source;
  absl::flat_hash_set<int64_t> tried;
  for (int64_t i = 0; i < draws && rows.size() < count; ++i) {
    const int64_t row = any(source);
    if (!tried.insert(row).second) continue;
    select.BindInt(last, row);
    RETURN_IF_ERROR(ReadRows(select, rows));
    select.Reset();
  }
  return absl::OkStatus();
}

// Looks at all rows.
absl::StatusOr<std::vector<int64_t>> RowFinder::Shuffle(size_t count) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection_.Cached(absl::StrCat(
                       "SELECT _row FROM ", table_, " WHERE ", condition_.sql,
                       " ORDER BY random() LIMIT ?")));
  const int next = BindAll(select, 1, condition_.parameters);
  select.BindInt(next, static_cast<int64_t>(count));
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(ReadRows(select, rows));
  return rows;
}

absl::StatusOr<int64_t> RowFinder::Count() {
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      connection_.Cached(absl::StrCat("SELECT count(*) FROM ", table_,
                                      " WHERE ", condition_.sql)));
  BindAll(select, 1, condition_.parameters);
  RETURN_IF_ERROR(select.Step().status());
  return select.Int(0);
}

}  // namespace engram::storage
