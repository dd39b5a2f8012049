#include "services/storage/aggregate.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/filter/evaluate.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/aggregate_plan.h"
#include "services/storage/aggregate_scan.h"
#include "services/storage/group_table.h"
#include "services/storage/read_target.h"
#include "services/storage/where_scan.h"

namespace engram::storage {
namespace {

using Row = std::vector<ColumnValue>;

// An answer ends with the row that takes it beyond this: clients take messages
// of 4 MiB.
constexpr size_t kAnswerBytes = size_t{3} << 20;

// Whether all that is wanted is how many records there are, which SQLite tells
// without showing them.
bool OnlyCountsRecords(const AggregatePlan& plan) {
  return plan.keys.empty() &&
         std::all_of(plan.figures.begin(), plan.figures.end(),
                     [](const AggregateFigure& figure) {
                       return figure.function ==
                                  v1::Aggregation::FUNCTION_COUNT &&
                              !figure.value.has_value();
                     });
}

// All rows, in no order.
absl::StatusOr<std::vector<Row>> ComputeRows(const ReadTarget& target,
                                             const AggregatePlan& plan,
                                             const CallBounds& bounds,
                                             int64_t now_us) {
  std::vector<Row> rows;
  if (OnlyCountsRecords(plan)) {
    ASSIGN_OR_RETURN(
        const int64_t count,
        WhereScan(*target.collection, plan.filter, Deleted::kHidden, now_us)
            .Count(target.connection(), bounds));
    rows.emplace_back(plan.figures.size(), ColumnValue(count));
    return rows;
  }
  GroupTable groups(plan);
  RETURN_IF_ERROR(ScanIntoGroups(target.connection(), *target.collection, plan,
                                 bounds, now_us, groups));
  rows.reserve(groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    ASSIGN_OR_RETURN(Row row, groups.TakeRow(i));
    rows.push_back(std::move(row));
  }
  return rows;
}

void DropUnless(const filter::Node& having, int64_t now_us,
                std::vector<Row>& rows) {
  const auto fails = [&](const Row& row) {
    return !filter::Matches(
        having, [&](int place) -> const ColumnValue& { return row[place]; },
        now_us);
  };
  rows.erase(std::remove_if(rows.begin(), rows.end(), fails), rows.end());
}

// Puts the first `count` rows in order, at the front.
void OrderFirst(const AggregatePlan& plan, size_t count,
                std::vector<Row>& rows) {
  const auto before = [&](const Row& a, const Row& b) {
    for (const AggregateOrder& order : plan.order) {
      const int compared =
          CompareCells(ViewOf(a[order.column]), ViewOf(b[order.column]),
                       plan.column(order.column).nocase);
      if (compared != 0) return order.descending ? compared > 0 : compared < 0;
    }
    return false;
  };
  const auto end =
      rows.begin() + static_cast<ptrdiff_t>(std::min(count, rows.size()));
  std::partial_sort(rows.begin(), end, rows.end(), before);
}

absl::Status EncodeRow(const AggregatePlan& plan, const Row& row,
                       google::protobuf::Struct* out) {
  auto& fields = *out->mutable_fields();
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].index() == 0) continue;
    const AggregateColumn& column = plan.column(i);
    const auto* whole = std::get_if<int64_t>(&row[i]);
    google::protobuf::Value& value = fields[column.name];
    if (whole != nullptr && column.render_string) {
      value.set_string_value(absl::StrCat(*whole));
      continue;
    }
    const absl::Status status =
        schema::EncodeValue(column.type, row[i], &value);
    if (!status.ok()) {
      return WithContext(status, absl::StrCat("\"", column.name, "\""));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Aggregate(Database& database, const v1::AggregateRequest& request,
                       const CallBounds& bounds,
                       v1::AggregateResponse* response) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  ASSIGN_OR_RETURN(const AggregatePlan plan,
                   DecodeAggregate(*target.collection, request));
  const int64_t now_us = database.now_us();
  ASSIGN_OR_RETURN(std::vector<Row> rows,
                   ComputeRows(target, plan, bounds, now_us));
  if (plan.having.has_value()) DropUnless(*plan.having, now_us, rows);
  const auto limit = static_cast<size_t>(plan.limit);
  OrderFirst(plan, limit, rows);
  size_t bytes = 0;
  size_t sent = 0;
  for (; sent < std::min(limit, rows.size()) && bytes < kAnswerBytes; ++sent) {
    google::protobuf::Struct* row = response->add_rows();
    RETURN_IF_ERROR(EncodeRow(plan, rows[sent], row));
    bytes += row->ByteSizeLong();
  }
  response->set_truncated(sent < rows.size());
  ASSIGN_OR_RETURN(*response->mutable_position(), target.ReadPosition());
  return absl::OkStatus();
}

}  // namespace engram::storage
