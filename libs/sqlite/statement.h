#ifndef ENGRAM_LIBS_SQLITE_STATEMENT_H_
#define ENGRAM_LIBS_SQLITE_STATEMENT_H_

#include <sqlite3.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::sqlite {

class Connection;

// One compiled statement; Connection::Prepare and Cached make them.
//
//   ASSIGN_OR_RETURN(Statement statement, connection.Cached(kSelect));
//   statement.BindText(1, id);
//   ASSIGN_OR_RETURN(const bool found, statement.Step());
//   if (found) row = statement.Int(0);
//
// Must not outlive its connection. A statement left in the middle of its rows
// holds its read transaction open: Reset it, or let it go out of scope.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1. The bytes of text and blobs are not copied: they
  // must live until Reset, the next Bind of the parameter, or the end of this
  // object. A failure to bind is reported by the next Step.
  void BindNull(int parameter);
  void BindInt(int parameter, int64_t value);
  void BindDouble(int parameter, double value);
  void BindText(int parameter, absl::string_view value);
  void BindBlob(int parameter, absl::string_view value);

  // Goes to the next row; false after the last.
  absl::StatusOr<bool> Step();

  // Runs a statement that returns no rows, and resets it.
  absl::Status Run();

  // Makes it ready to run again; parameters keep their values.
  void Reset();

  // Columns count from 0. Views live until the next Step or Reset. A NULL reads
  // as 0 or empty.
  bool IsNull(int column) const;
  int64_t Int(int column) const;
  double Double(int column) const;
  absl::string_view Text(int column) const;
  absl::string_view Blob(int column) const;
  int column_count() const;
  // SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL.
  int ColumnType(int column) const;

 private:
  friend class Connection;

  Statement(Connection* connection, sqlite3_stmt* statement, bool cached);

  void Release();
  absl::Status Error(int code) const;
  void Note(int code);

  Connection* connection_;
  sqlite3_stmt* statement_;
  // Goes back to the connection's cache at the end.
  bool cached_;
  int bind_error_ = SQLITE_OK;
};

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_STATEMENT_H_
