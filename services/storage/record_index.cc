#include "services/storage/record_index.h"

#include <algorithm>
#include <set>
#include <string>
#include <variant>

#include "google/protobuf/struct.pb.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/storage/column_io.h"

namespace engram::storage {
namespace {

// The distinct elements of a strings field.
absl::StatusOr<std::set<std::string>> ReadElements(const ColumnValue& value) {
  std::set<std::string> elements;
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return elements;
  thread_local json::Parser parser;
  google::protobuf::Value list;
  if (!parser.ParseValue(*text, &list).ok() || !list.has_list_value()) {
    return absl::DataLossError("a strings field holds what is no list");
  }
  for (const auto& element : list.list_value().values()) {
    elements.insert(element.string_value());
  }
  return elements;
}

// Runs `sql`, whose parameters are a value and the row, for each element.
absl::Status RunForEach(sqlite::Connection& connection, const std::string& sql,
                        const std::set<std::string>& elements, int64_t row) {
  if (elements.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(sqlite::Statement statement, connection.Cached(sql));
  for (const std::string& element : elements) {
    statement.BindText(1, element);
    statement.BindInt(2, row);
    RETURN_IF_ERROR(statement.Run());
  }
  return absl::OkStatus();
}

std::set<std::string> Difference(const std::set<std::string>& from,
                                 const std::set<std::string>& without) {
  std::set<std::string> difference;
  std::set_difference(from.begin(), from.end(), without.begin(), without.end(),
                      std::inserter(difference, difference.end()));
  return difference;
}

absl::Status RunText(sqlite::Connection& connection, const TextIndex& index,
                     const std::string& sql, int64_t row,
                     absl::Span<const ColumnValue> values) {
  ASSIGN_OR_RETURN(sqlite::Statement statement, connection.Cached(sql));
  statement.BindInt(1, row);
  for (size_t i = 0; i < index.fields.size(); ++i) {
    BindColumn(statement, static_cast<int>(i) + 2, values[index.fields[i]]);
  }
  return statement.Run();
}

}  // namespace

absl::Status AddElements(sqlite::Connection& connection,
                         const Collection& collection, int64_t row,
                         absl::Span<const ColumnValue> values) {
  for (const ElementTable& table : collection.elements) {
    ASSIGN_OR_RETURN(const auto elements, ReadElements(values[table.field]));
    RETURN_IF_ERROR(RunForEach(connection, table.insert, elements, row));
  }
  return absl::OkStatus();
}

absl::Status RemoveElements(sqlite::Connection& connection,
                            const Collection& collection, int64_t row,
                            absl::Span<const ColumnValue> values) {
  for (const ElementTable& table : collection.elements) {
    ASSIGN_OR_RETURN(const auto elements, ReadElements(values[table.field]));
    RETURN_IF_ERROR(RunForEach(connection, table.remove, elements, row));
  }
  return absl::OkStatus();
}

absl::Status UpdateElements(sqlite::Connection& connection,
                            const Collection& collection, int64_t row,
                            absl::Span<const ColumnValue> before,
                            absl::Span<const ColumnValue> after) {
  for (const ElementTable& table : collection.elements) {
    if (before[table.field] == after[table.field]) continue;
    ASSIGN_OR_RETURN(const auto held, ReadElements(before[table.field]));
    ASSIGN_OR_RETURN(const auto wanted, ReadElements(after[table.field]));
    RETURN_IF_ERROR(
        RunForEach(connection, table.remove, Difference(held, wanted), row));
    RETURN_IF_ERROR(
        RunForEach(connection, table.insert, Difference(wanted, held), row));
  }
  return absl::OkStatus();
}

absl::Status AddText(sqlite::Connection& connection,
                     const Collection& collection, int64_t row,
                     absl::Span<const ColumnValue> values) {
  if (!collection.text_index.has_value()) return absl::OkStatus();
  const TextIndex& index = *collection.text_index;
  return RunText(connection, index, index.insert, row, values);
}

absl::Status RemoveText(sqlite::Connection& connection,
                        const Collection& collection, int64_t row,
                        absl::Span<const ColumnValue> values) {
  if (!collection.text_index.has_value()) return absl::OkStatus();
  const TextIndex& index = *collection.text_index;
  return RunText(connection, index, index.remove, row, values);
}

absl::Status UpdateText(sqlite::Connection& connection,
                        const Collection& collection, int64_t row,
                        absl::Span<const ColumnValue> before,
                        absl::Span<const ColumnValue> after) {
  if (!collection.text_index.has_value()) return absl::OkStatus();
  const std::vector<int>& fields = collection.text_index->fields;
  const bool changed =
      std::any_of(fields.begin(), fields.end(),
                  [&](int place) { return before[place] != after[place]; });
  if (!changed) return absl::OkStatus();
  RETURN_IF_ERROR(RemoveText(connection, collection, row, before));
  return AddText(connection, collection, row, after);
}

}  // namespace engram::storage
