#ifndef ENGRAM_LIBS_SQLITE_GUEST_CONNECTION_H_
#define ENGRAM_LIBS_SQLITE_GUEST_CONNECTION_H_

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sqlite/guest_rules.h"
#include "libs/sqlite/guest_statement.h"
#include "libs/sqlite/memory_budget.h"

namespace engram::sqlite {

// A connection that runs SQL which a person wrote. It reads, and nothing else,
// whatever the SQL says: an authorizer (guest_rules.h) lets no statement be
// compiled that could do more, SQLite says of each that it only reads, and the
// connection is `query_only`, as if the first two were not there.
//
// Bounded: the lengths below, MemoryBudget, and the temporary files
// (temp_space.h) that sorting and the like may need. The time is the caller's
// to bound (EndWhen); a single call of an SQL function is not ended, however.
//
// For one thread from the beginning to the end.
class GuestConnection {
 public:
  struct Limits {
    // Of a statement's text, and of each value and row, also of those that are
    // only computed.
    int sql_bytes = 256 << 10;
    int value_bytes = 4 << 20;
    // All of SQLite's memory for the connection.
    int64_t memory_bytes = int64_t{256} << 20;
  };

  // Opens the database file at `path`, which others have open.
  static absl::StatusOr<std::unique_ptr<GuestConnection>> Open(
      const std::string& path, Limits limits);

  // Its statements must have been destroyed.
  ~GuestConnection();
  GuestConnection(const GuestConnection&) = delete;
  GuestConnection& operator=(const GuestConnection&) = delete;

  // Ends statements with `Unavailable` once `is_over` returns true; it is asked
  // every 100 us or so.
  void EndWhen(std::function<bool()> is_over);

  // Compiles `sql`, which is one statement; comments and semicolons around it
  // are fine. `InvalidArgument` if it is not, if it is no SQL, or if it could
  // do more than read: its message is a clause that begins with the place.
  absl::StatusOr<GuestStatement> Compile(absl::string_view sql);

 private:
  explicit GuestConnection(Limits limits);

  absl::Status Configure();
  absl::Status SetPragma(const char* set, const char* read, int64_t expected);
  // Why `text`, a part of `sql`, does not compile.
  absl::Status CompileError(int code, absl::string_view sql,
                            absl::string_view text) const;

  const Limits limits_;
  // Before the handle, which is closed within it.
  MemoryBudget budget_;
  sqlite3* db_ = nullptr;
  // Of the statement that was compiled last, and what the authorizer refused
  // of it first.
  GuestVerb verb_ = GuestVerb::kOther;
  std::string refused_;
  std::function<bool()> is_over_;
};

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_GUEST_CONNECTION_H_
