#include "libs/sqlite/statement.h"

#include <utility>

#include "libs/sqlite/connection.h"
#include "libs/sqlite/sqlite_error.h"

namespace engram::sqlite {

Statement::Statement(Connection* connection, sqlite3_stmt* statement,
                     bool cached)
    : connection_(connection), statement_(statement), cached_(cached) {}

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      cached_(other.cached_),
      bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this == &other) return *this;
  Release();
  connection_ = other.connection_;
  statement_ = std::exchange(other.statement_, nullptr);
  cached_ = other.cached_;
  bind_error_ = other.bind_error_;
  return *this;
}

Statement::~Statement() { Release(); }

void Statement::Release() {
  if (statement_ == nullptr) return;
  if (cached_) {
    connection_->Return(statement_);
  } else {
    sqlite3_finalize(statement_);
  }
  statement_ = nullptr;
}

void Statement::BindNull(int parameter) {
  Note(sqlite3_bind_null(statement_, parameter));
}

void Statement::BindInt(int parameter, int64_t value) {
  Note(sqlite3_bind_int64(statement_, parameter, value));
}

void Statement::BindDouble(int parameter, double value) {
  Note(sqlite3_bind_double(statement_, parameter, value));
}

void Statement::BindText(int parameter, absl::string_view value) {
  // A null pointer would bind NULL; an empty text is not NULL.
  Note(sqlite3_bind_text64(statement_, parameter,
                           value.empty() ? "" : value.data(), value.size(),
                           SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::BindBlob(int parameter, absl::string_view value) {
  Note(sqlite3_bind_blob64(statement_, parameter,
                           value.empty() ? "" : value.data(), value.size(),
                           SQLITE_STATIC));
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) return Error(bind_error_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Error(code);
}

absl::Status Statement::Run() {
  const absl::StatusOr<bool> row = Step();
  Reset();
  return row.status();
}

void Statement::Reset() {
  // The code repeats the last Step's error, which its caller has seen.
  sqlite3_reset(statement_);
  bind_error_ = SQLITE_OK;
}

bool Statement::IsNull(int column) const {
  return ColumnType(column) == SQLITE_NULL;
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Statement::Double(int column) const {
  return sqlite3_column_double(statement_, column);
}

absl::string_view Statement::Text(int column) const {
  const auto* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

absl::string_view Statement::Blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_, column);
  if (blob == nullptr) return {};
  return {static_cast<const char*>(blob),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

int Statement::column_count() const { return sqlite3_column_count(statement_); }

int Statement::ColumnType(int column) const {
  return sqlite3_column_type(statement_, column);
}

absl::Status Statement::Error(int code) const {
  return ToStatus(code, connection_->handle(), sqlite3_sql(statement_));
}

void Statement::Note(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) bind_error_ = code;
}

}  // namespace engram::sqlite
