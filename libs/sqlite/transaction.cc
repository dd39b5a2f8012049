#include "libs/sqlite/transaction.h"

#include <utility>

#include "libs/status/status_macros.h"

namespace engram::sqlite {
namespace {

absl::Status RunCached(Connection& connection, absl::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, connection.Cached(sql));
  return statement.Run();
}

}  // namespace

absl::StatusOr<Transaction> Transaction::Begin(Connection& connection,
                                               Kind kind) {
  RETURN_IF_ERROR(RunCached(
      connection, kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN DEFERRED"));
  return Transaction(&connection);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
  // SQLite may have rolled back by itself, when a disk was full for instance.
  if (connection_ == nullptr || !connection_->in_transaction()) return;
  // A rollback that fails leaves nothing to do: the file decides when it is
  // opened again, and nothing of this was acknowledged.
  RunCached(*connection_, "ROLLBACK").IgnoreError();
}

absl::Status Transaction::Commit() {
  RETURN_IF_ERROR(RunCached(*connection_, "COMMIT"));
  connection_ = nullptr;
  return absl::OkStatus();
}

absl::StatusOr<Savepoint> Savepoint::Begin(Connection& connection) {
  RETURN_IF_ERROR(RunCached(connection, "SAVEPOINT part"));
  return Savepoint(&connection);
}

Savepoint::Savepoint(Savepoint&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Savepoint::~Savepoint() {
  if (connection_ == nullptr || !connection_->in_transaction()) return;
  // If either fails the transaction is beyond repair, and its commit fails too.
  RunCached(*connection_, "ROLLBACK TO part").IgnoreError();
  RunCached(*connection_, "RELEASE part").IgnoreError();
}

absl::Status Savepoint::Release() {
  RETURN_IF_ERROR(RunCached(*connection_, "RELEASE part"));
  connection_ = nullptr;
  return absl::OkStatus();
}

}  // namespace engram::sqlite
