#include "services/storage/text_ranking.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/record_condition.h"

namespace engram::storage {
namespace {

// Row and BM25 of what matches. Parameters: one weight for each column, the
// expression, then those of `condition`.
//
// Deleted records are not in the index. Where nothing else hides records, the
// table need not be looked at.
std::string SelectSql(const Collection& collection,
                      const RecordCondition& condition) {
  const std::string index = TextTableName(collection.id);
  std::string sql = absl::StrCat("SELECT rowid, bm25(", index);
  for (size_t i = 0; i < collection.text_index->fields.size(); ++i) {
    absl::StrAppend(&sql, ", ?");
  }
  absl::StrAppend(&sql, ") FROM ", index, " WHERE ", index, " MATCH ?");
  if (condition.sql.empty()) return sql;
  // In a subquery the condition's names are the table's, though the index has
  // columns of the same names; and the index is what is read first.
  const std::string table = QuoteIdentifier(collection.name());
  return absl::StrCat(sql, " AND EXISTS (SELECT 1 FROM ", table, " WHERE ",
                      table, "._row = ", index, ".rowid AND ", condition.sql,
                      ")");
}

RecordCondition ConditionOf(const Collection& collection,
                            const TextSearch& search) {
  if (!search.filter.has_value() && !collection.expires()) return {};
  filter::Node always;
  always.value = int64_t{1};
  return CompileCondition(collection, search.filter.value_or(always),
                          Deleted::kHidden, search.now_us);
}

// Keeps the first `limit` of the records that come after `after`.
class FirstRecords {
 public:
  FirstRecords(const std::optional<RankedRecord>& after, int limit)
      : after_(after), limit_(static_cast<size_t>(limit)) {}

  // Adds a record; `read_id` is asked for its id only where that decides.
  template <typename ReadId>
  absl::Status Add(double score, int64_t row, ReadId read_id) {
    ++ranking_.total;
    if (after_.has_value() && score > after_->score) return absl::OkStatus();
    const bool ties = after_.has_value() && score == after_->score;
    if (!ties && full() && score < records().front().score) {
      ranking_.more = true;
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(std::string id, read_id(row));
    RankedRecord record{.score = score, .id = std::move(id), .row = row};
    if (ties && !(*after_ < record)) return absl::OkStatus();
    Keep(std::move(record));
    return absl::OkStatus();
  }

  TextRanking Take() {
    std::sort_heap(records().begin(), records().end());
    return std::move(ranking_);
  }

 private:
  std::vector<RankedRecord>& records() { return ranking_.records; }
  bool full() { return records().size() == limit_; }

  // A heap: its front is the last one in order.
  void Keep(RankedRecord record) {
    records().push_back(std::move(record));
    std::push_heap(records().begin(), records().end());
    if (records().size() <= limit_) return;
    std::pop_heap(records().begin(), records().end());
    records().pop_back();
    ranking_.more = true;
  }

  const std::optional<RankedRecord>& after_;
  const size_t limit_;
  TextRanking ranking_;
};

absl::Status Scan(sqlite::Connection& connection, const Collection& collection,
                  sqlite::Statement& select, FirstRecords& first) {
  ASSIGN_OR_RETURN(sqlite::Statement select_id,
                   connection.Cached(collection.select_id));
  const auto read_id = [&](int64_t row) -> absl::StatusOr<std::string> {
    select_id.Reset();
    select_id.BindInt(1, row);
    ASSIGN_OR_RETURN(const bool found, select_id.Step());
    if (!found) {
      return absl::DataLossError(
          absl::StrCat("the full text of \"", collection.name(),
                       "\" names row ", row, ", which is not there"));
    }
    return std::string(select_id.Text(0));
  };
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    // FTS5's BM25 is smaller for what is better, and -0 for no weight at all.
    const double score = 0.0 - select.Double(1);
    RETURN_IF_ERROR(first.Add(score, select.Int(0), read_id));
  }
}

}  // namespace

absl::StatusOr<TextRanking> RankByText(sqlite::Connection& connection,
                                       const Collection& collection,
                                       const TextSearch& search,
                                       const std::optional<RankedRecord>& after,
                                       int limit, const CallBounds& bounds) {
  RETURN_IF_ERROR(bounds.Check());
  const StatementGuard guard(connection, bounds);
  const RecordCondition condition = ConditionOf(collection, search);
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(SelectSql(collection, condition)));
  int next = 1;
  for (const double weight : search.weights) select.BindDouble(next++, weight);
  select.BindText(next++, search.match);
  BindAll(select, next, condition.parameters);
  FirstRecords first(after, limit);
  RETURN_IF_ERROR(guard.Explain(Scan(connection, collection, select, first)));
  return first.Take();
}

}  // namespace engram::storage
