#ifndef ENGRAM_LIBS_SQLITE_GUEST_STATEMENT_H_
#define ENGRAM_LIBS_SQLITE_GUEST_STATEMENT_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::sqlite {

// One statement that a person wrote; GuestConnection::Compile makes it, and
// must outlive it. Parameters count from 1, columns from 0.
class GuestStatement {
 public:
  int parameter_count() const;
  // With its first character: `:id`, `@id`, `$id` or `?3`; empty for a `?`.
  absl::string_view ParameterName(int parameter) const;

  // The bytes of a text must live as long as the statement.
  absl::Status BindInt(int parameter, int64_t value);
  absl::Status BindDouble(int parameter, double value);
  absl::Status BindText(int parameter, absl::string_view value);

  // Goes to the next row; false after the last. `InvalidArgument` for what the
  // statement does wrong, `ResourceExhausted` for what is too large.
  absl::StatusOr<bool> Step();

  int column_count() const;
  absl::string_view ColumnName(int column) const;
  // SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL.
  int ColumnType(int column) const;
  int64_t Int(int column) const;
  double Double(int column) const;
  // Until the next Step. A text need not be UTF-8.
  absl::string_view Text(int column) const;
  absl::string_view Blob(int column) const;

 private:
  friend class GuestConnection;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const {
      sqlite3_finalize(statement);
    }
  };

  GuestStatement(const std::string* refused, sqlite3_stmt* statement)
      : refused_(refused), statement_(statement) {}

  absl::Status Error(int code) const;

  const std::string* refused_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// The error of a guest's statement for an SQLite code. `refused` is what the
// authorizer said, if it was it.
absl::Status GuestError(int code, sqlite3* db, absl::string_view refused);

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_GUEST_STATEMENT_H_
