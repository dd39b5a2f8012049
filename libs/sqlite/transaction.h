// Scopes that undo their work unless it is kept.

#ifndef ENGRAM_LIBS_SQLITE_TRANSACTION_H_
#define ENGRAM_LIBS_SQLITE_TRANSACTION_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/sqlite/connection.h"

namespace engram::sqlite {

// One transaction of one connection, which must outlive it. Rolled back at the
// end of the scope unless Commit returned OK.
class Transaction {
 public:
  enum class Kind {
    // Sees one state of the file from its first read on.
    kRead,
    // Holds the file's write lock from the start, so that it cannot fail later
    // for want of it.
    kWrite,
  };

  static absl::StatusOr<Transaction> Begin(Connection& connection, Kind kind);

  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // Makes the work durable, as far as the connection's Durability says. After
  // a failure the work is rolled back, or, where the file system failed,
  // LeavesDurabilityUnknown(connection.last_error()).
  absl::Status Commit();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}

  // Null once ended.
  Connection* connection_;
};

// One savepoint within a transaction. Undone at the end of the scope unless
// Release returned OK. Savepoints end in the reverse order of their begin.
class Savepoint {
 public:
  static absl::StatusOr<Savepoint> Begin(Connection& connection);

  Savepoint(Savepoint&& other) noexcept;
  Savepoint& operator=(Savepoint&&) = delete;
  ~Savepoint();

  // Keeps the work as a part of the transaction.
  absl::Status Release();

 private:
  explicit Savepoint(Connection* connection) : connection_(connection) {}

  // Null once ended.
  Connection* connection_;
};

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_TRANSACTION_H_
