#include "services/storage/column_io.h"

#include <string>
#include <variant>

namespace engram::storage {
namespace {

struct Binder {
  sqlite::Statement& statement;
  int parameter;

  void operator()(std::monostate) const { statement.BindNull(parameter); }
  void operator()(int64_t value) const { statement.BindInt(parameter, value); }
  void operator()(double value) const {
    statement.BindDouble(parameter, value);
  }
  void operator()(const std::string& value) const {
    statement.BindText(parameter, value);
  }
  void operator()(const Blob& value) const {
    statement.BindBlob(parameter, value.bytes);
  }
};

struct Copier {
  ColumnValue operator()(std::monostate) const { return std::monostate(); }
  ColumnValue operator()(int64_t value) const { return value; }
  ColumnValue operator()(double value) const { return value; }
  ColumnValue operator()(absl::string_view value) const {
    return std::string(value);
  }
  ColumnValue operator()(const schema::BlobView& value) const {
    return Blob{std::string(value.bytes)};
  }
};

}  // namespace

void BindColumn(sqlite::Statement& statement, int parameter,
                const ColumnValue& value) {
  std::visit(Binder{statement, parameter}, value);
}

ColumnValue ReadColumn(const sqlite::Statement& statement, int column) {
  return std::visit(Copier(), ViewColumn(statement, column));
}

schema::FieldView ViewColumn(const sqlite::Statement& statement, int column) {
  switch (statement.ColumnType(column)) {
    case SQLITE_INTEGER:
      return statement.Int(column);
    case SQLITE_FLOAT:
      return statement.Double(column);
    case SQLITE_TEXT:
      return statement.Text(column);
    case SQLITE_BLOB:
      return schema::BlobView{statement.Blob(column)};
    default:
      return std::monostate();
  }
}

}  // namespace engram::storage
