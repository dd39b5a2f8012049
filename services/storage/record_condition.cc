#include "services/storage/record_condition.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/sql.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"

namespace engram::storage {
namespace {

std::string RowsWithElement(const Collection& collection, int place) {
  for (const ElementTable& elements : collection.elements) {
    if (elements.field == place) return elements.select_rows;
  }
  return "";
}

filter::Node Always() {
  filter::Node node;
  node.value = int64_t{1};
  return node;
}

}  // namespace

RecordCondition CompileCondition(const Collection& collection,
                                 const filter::Node& filter, Deleted deleted,
                                 int64_t now_us, Elements elements) {
  const auto column = [&](int place) {
    return PlaceColumn(collection.spec, "", place);
  };
  const auto rows = [&](int place) {
    return elements == Elements::kOfIndex ? RowsWithElement(collection, place)
                                          : "";
  };
  filter::Sql sql = filter::CompileSql(
      filter, {.column = column, .rows_with_element = rows}, now_us);
  RecordCondition condition = {.sql = absl::StrCat("(", sql.text, ")"),
                               .parameters = std::move(sql.parameters)};
  if (collection.expires()) {
    absl::StrAppend(&condition.sql,
                    " AND (_expires_us IS NULL OR _expires_us > ?)");
    condition.parameters.emplace_back(now_us);
  }
  if (deleted == Deleted::kHidden) {
    absl::StrAppend(&condition.sql, LiveRecords(collection.spec, " AND "));
  }
  return condition;
}

int BindAll(sqlite::Statement& statement, int first,
            const std::vector<ColumnValue>& values) {
  for (const ColumnValue& value : values) {
    BindColumn(statement, first++, value);
  }
  return first;
}

filter::Node DecodeReadFilter(const filter::Scope& scope,
                              absl::string_view text, absl::string_view path,
                              filter::SharedParameters& parameters,
                              FieldViolations& violations) {
  if (text.empty()) return Always();
  absl::StatusOr<filter::Node> filter =
      filter::ParseFilter(text, scope, parameters.Of(text));
  if (filter.ok()) return *std::move(filter);
  violations.Add(path, filter.status().message());
  return Always();
}

}  // namespace engram::storage
