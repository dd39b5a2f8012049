#include "services/storage/id_select.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::storage {

IdSelect::IdSelect(sqlite::Connection& connection, Query query,
                   const CallBounds& bounds)
    : connection_(connection), query_(std::move(query)), bounds_(bounds) {}

std::string IdSelect::Sql(size_t size) const {
  // What is no part of WHERE gives the planner no reason to use another index,
  // which could hold most of the table.
  std::string sql = absl::StrCat(
      "SELECT (", query_.condition.sql, ") IS TRUE, ", query_.columns, " FROM ",
      query_.table, " WHERE ", query_.id_column, " IN (?");
  for (size_t i = 1; i < size; ++i) sql += ", ?";
  sql += ")";
  return sql;
}

absl::StatusOr<sqlite::Statement*> IdSelect::Prepared(size_t size) {
  const size_t place =
      std::find(kSizes.begin(), kSizes.end(), size) - kSizes.begin();
  std::optional<sqlite::Statement>& prepared = prepared_[place];
  if (!prepared.has_value()) {
    const std::string sql = Sql(size);
    ASSIGN_OR_RETURN(sqlite::Statement statement,
                     query_.statements == Statements::kShared
                         ? connection_.Cached(sql)
                         : connection_.Prepare(sql));
    prepared = std::move(statement);
    BindAll(*prepared, 1, query_.condition.parameters);
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
  int parameter = static_cast<int>(query_.condition.parameters.size());
  for (size_t i = 0; i < size; ++i) {
    select->BindText(++parameter, ids[std::min(i, ids.size() - 1)]);
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
