#include "libs/sqlite/guest_statement.h"

#include "libs/sqlite/sqlite_error.h"

namespace engram::sqlite {
absl::Status GuestError(int code, sqlite3* db, absl::string_view refused) {
  // SQLite says less, and of some refusals that they were mere errors.
  if (!refused.empty()) return absl::InvalidArgumentError(refused);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          "the statement sorts or gathers more than there is room for in "
          "temporary files; let it use an index, or look at fewer records");
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(
          "the statement takes more memory than one may; make it simpler, or "
          "its values smaller");
    case SQLITE_TOOBIG:
      return absl::ResourceExhaustedError(
          "a value or a row of the statement is larger than one may be; "
          "substr() takes a part of a stored one");
    case SQLITE_SCHEMA:
      return absl::AbortedError("the schema changed meanwhile; ask again");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_INTERNAL:
    case SQLITE_MISUSE:
      return ToStatus(code, db, "query");
    default:
      break;
  }
  return absl::InvalidArgumentError(sqlite3_errmsg(db));
}

int GuestStatement::parameter_count() const {
  return sqlite3_bind_parameter_count(statement_.get());
}

absl::string_view GuestStatement::ParameterName(int parameter) const {
  const char* name = sqlite3_bind_parameter_name(statement_.get(), parameter);
  return name == nullptr ? "" : name;
}

absl::Status GuestStatement::BindInt(int parameter, int64_t value) {
  return Error(sqlite3_bind_int64(statement_.get(), parameter, value));
}

absl::Status GuestStatement::BindDouble(int parameter, double value) {
  return Error(sqlite3_bind_double(statement_.get(), parameter, value));
}

absl::Status GuestStatement::BindText(int parameter, absl::string_view value) {
  // A null pointer would bind NULL; an empty text is not NULL.
  return Error(sqlite3_bind_text64(statement_.get(), parameter,
                                   value.empty() ? "" : value.data(),
                                   value.size(), SQLITE_STATIC, SQLITE_UTF8));
}

absl::StatusOr<bool> GuestStatement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Error(code);
}

int GuestStatement::column_count() const {
  return sqlite3_column_count(statement_.get());
}

absl::string_view GuestStatement::ColumnName(int column) const {
  const char* name = sqlite3_column_name(statement_.get(), column);
  return name == nullptr ? "" : name;
}

int GuestStatement::ColumnType(int column) const {
  return sqlite3_column_type(statement_.get(), column);
}

int64_t GuestStatement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double GuestStatement::Double(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

absl::string_view GuestStatement::Text(int column) const {
  const auto* text = sqlite3_column_text(statement_.get(), column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

absl::string_view GuestStatement::Blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_.get(), column);
  if (blob == nullptr) return {};
  return {static_cast<const char*>(blob),
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

absl::Status GuestStatement::Error(int code) const {
  if (code == SQLITE_OK) return absl::OkStatus();
  return GuestError(code, sqlite3_db_handle(statement_.get()), *refused_);
}

}  // namespace engram::sqlite
