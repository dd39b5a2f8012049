#include "libs/sqlite/sqlite_error.h"

#include <sqlite3.h>

#include "absl/strings/str_cat.h"

namespace engram::sqlite {
namespace {

absl::StatusCode CodeOf(int extended_code) {
  switch (extended_code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return absl::StatusCode::kAlreadyExists;
    default:
      break;
  }
  switch (extended_code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_CONSTRAINT:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ToStatus(int code, sqlite3* db, absl::string_view context) {
  const char* message =
      db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  return absl::Status(CodeOf(code), absl::StrCat(context, ": ", message,
                                                 " (SQLite code ", code, ")"));
}

bool LeavesDurabilityUnknown(int code) {
  // A full disk is reported before anything was synced, and SQLite rolls back.
  return (code & 0xff) == SQLITE_IOERR;
}

}  // namespace engram::sqlite
