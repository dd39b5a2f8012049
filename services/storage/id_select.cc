#include "services/storage/id_select.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::storage {

IdSelect::IdSelect(sqlite::Connection& connection, Query query,
                   const CallBounds& bounds)
    : connection_(connection), query_(std::move(query)), bounds_(bounds) {}

std::string IdSelect::Sql(const Query& query, size_t size) {
  std::string sql =
      absl::StrCat("SELECT ", query.columns, " FROM ", query.table, " WHERE ",
                   query.id_column, " IN (?");
  for (size_t i = 1; i < size; ++i) sql += ", ?";
  // The plus hides what stands after it from the planner: an index of the
  // condition's could hold most of the table.
  absl::StrAppend(&sql, ") AND +(", query.condition.sql, ")");
  return sql;
}

absl::StatusOr<sqlite::Statement*> IdSelect::Prepared(size_t size) {
  const size_t place =
      std::find(kSizes.begin(), kSizes.end(), size) - kSizes.begin();
  std::optional<sqlite::Statement>& prepared = prepared_[place];
  if (!prepared.has_value()) {
    const std::string sql = Sql(query_, size);
    ASSIGN_OR_RETURN(sqlite::Statement statement,
                     query_.statements == Statements::kShared
                         ? connection_.Cached(sql)
                         : connection_.Prepare(sql));
    prepared = std::move(statement);
    BindAll(*prepared, static_cast<int>(size) + 1, query_.condition.parameters);
  }
  return &*prepared;
}

absl::StatusOr<bool> IdSelect::VisitChunk(
    absl::Span<const std::string> ids,
    absl::FunctionRef<absl::StatusOr<bool>(const sqlite::Statement&)> visit) {
  RETURN_IF_ERROR(bounds_.Check());
  const size_t size =
      *std::lower_bound(kSizes.begin(), kSizes.end(), ids.size());
  ASSIGN_OR_RETURN(sqlite::Statement* const select, Prepared(size));
  for (size_t i = 0; i < size; ++i) {
    select->BindText(static_cast<int>(i) + 1, ids[std::min(i, ids.size() - 1)]);
  }
  bool more = true;
  while (more) {
    ASSIGN_OR_RETURN(const bool found, select->Step());
    if (!found) break;
    ASSIGN_OR_RETURN(more, visit(*select));
  }
  select->Reset();
  return more;
}

absl::Status IdSelect::Visit(
    absl::Span<const std::string> ids,
    absl::FunctionRef<absl::StatusOr<bool>(const sqlite::Statement&)> visit) {
  for (size_t first = 0; first < ids.size(); first += kSizes.back()) {
    ASSIGN_OR_RETURN(const bool more,
                     VisitChunk(ids.subspan(first, kSizes.back()), visit));
    if (!more) break;
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
