#include "services/storage/collection_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace engram::storage {
namespace {

using schema::FieldType;

// Every record's own columns, before its fields. `_row` is never reused, so
// that a vector or a change can name a record for good.
constexpr absl::string_view kOwnColumns =
    "_row INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "  id TEXT NOT NULL UNIQUE,\n"
    "  _version INTEGER NOT NULL,\n"
    "  _created_us INTEGER NOT NULL,\n"
    "  _updated_us INTEGER NOT NULL,\n"
    "  _sequence INTEGER NOT NULL";

// Indexes share their names with tables. The underscore keeps them apart from
// collections, and the dots, which no name can hold, keep (a, b_c) apart from
// (a_b, c).
std::string IndexName(absl::string_view kind, absl::string_view collection,
                      const std::vector<std::string>& fields) {
  return QuoteIdentifier(absl::StrCat("_", kind, ".", collection, ".",
                                      absl::StrJoin(fields, ".")));
}

// What stands for no value in a unique key: a constant that a STRICT column of
// the field's type refuses, so that no value can be equal to it.
absl::string_view NoValueConstant(FieldType type) {
  return ColumnType(type) == "BLOB" ? "0" : "x''";
}

}  // namespace

std::string QuoteIdentifier(absl::string_view name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

absl::string_view ColumnType(FieldType type) {
  switch (type) {
    case FieldType::kInt:
    case FieldType::kBool:
    case FieldType::kTimestamp:
      return "INTEGER";
    case FieldType::kDouble:
      return "REAL";
    case FieldType::kBytes:
      return "BLOB";
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kJson:
    case FieldType::kStrings:
      break;
  }
  return "TEXT";
}

std::vector<std::string> CreateTableSql(const schema::CollectionSpec& spec) {
  const std::string table = QuoteIdentifier(spec.name);
  std::string create =
      absl::StrCat("CREATE TABLE ", table, " (\n  ", kOwnColumns);
  for (const schema::FieldSpec& field : spec.fields) {
    absl::StrAppend(&create, ",\n  ", QuoteIdentifier(field.name), " ",
                    ColumnType(field.type));
  }
  std::vector<std::string> statements = {absl::StrCat(create, "\n) STRICT")};
  for (const schema::FieldSpec& field : spec.fields) {
    if (!field.indexed) continue;
    statements.push_back(absl::StrCat(
        "CREATE INDEX ", IndexName("index", spec.name, {field.name}), " ON ",
        table, " (", QuoteIdentifier(field.name), ")"));
  }
  for (const std::vector<int>& key : spec.UniqueKeys()) {
    std::vector<std::string> names, terms;
    for (const int index : key) {
      names.push_back(spec.fields[index].name);
      terms.push_back(UniqueKeyTerm(spec.fields[index]));
    }
    statements.push_back(absl::StrCat(
        "CREATE UNIQUE INDEX ", IndexName("unique", spec.name, names), " ON ",
        table, " (", absl::StrJoin(terms, ", "), ")"));
  }
  return statements;
}

std::string UniqueKeyTerm(const schema::FieldSpec& field) {
  return absl::StrCat("ifnull(", QuoteIdentifier(field.name), ", ",
                      NoValueConstant(field.type), ")");
}

std::string UniqueKeyParameter(const schema::FieldSpec& field) {
  return absl::StrCat("ifnull(?, ", NoValueConstant(field.type), ")");
}

}  // namespace engram::storage
