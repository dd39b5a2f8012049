// The one crossing between SQLite's result codes and absl::Status.

#ifndef ENGRAM_LIBS_SQLITE_SQLITE_ERROR_H_
#define ENGRAM_LIBS_SQLITE_SQLITE_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

struct sqlite3;

namespace engram::sqlite {

// Returns the error for an extended result code. `db` adds SQLite's own message
// and may be null; `context` says what was being done, such as the statement.
//
//   full disk                  ResourceExhausted
//   locked, interrupted        Unavailable
//   corrupt, not a database    DataLoss
//   constraint                 AlreadyExists if a key is taken, else
//                              FailedPrecondition
//   read-only, too new         FailedPrecondition
//   cannot open                Unavailable
//   anything else              Internal
absl::Status ToStatus(int code, sqlite3* db, absl::string_view context);

// Whether `code` means that what SQLite had written may or may not be on disk:
// a sync or a write of the file system failed. Nothing that is built on it may
// be acknowledged before the file was opened again.
bool LeavesDurabilityUnknown(int code);

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_SQLITE_ERROR_H_
