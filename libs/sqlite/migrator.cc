#include "libs/sqlite/migrator.h"

#include <openssl/sha.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/status_macros.h"

namespace engram::sqlite {
namespace {

constexpr absl::string_view kCreateTable = R"sql(
CREATE TABLE IF NOT EXISTS _migrations (
  number INTEGER PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  min_reader INTEGER NOT NULL,
  written_by TEXT NOT NULL,
  applied_us INTEGER NOT NULL
) STRICT)sql";
constexpr absl::string_view kSelectApplied = R"sql(
SELECT number, name, checksum, min_reader, written_by
FROM _migrations ORDER BY number)sql";
constexpr absl::string_view kInsertApplied = R"sql(
INSERT INTO _migrations
  (number, name, checksum, min_reader, written_by, applied_us)
VALUES (?, ?, ?, ?, ?, ?))sql";

std::string Checksum(absl::string_view sql) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(sql.data()), sql.size(),
         digest);
  return absl::BytesToHexString(
      {reinterpret_cast<const char*>(digest), sizeof(digest)});
}

// Checks one migration that the file has had, `statement` being at its row.
absl::Status CheckApplied(const Connection& connection,
                          const Statement& statement,
                          absl::Span<const Migration> migrations) {
  const int64_t number = statement.Int(0);
  const auto known = static_cast<int64_t>(migrations.size());
  if (number > known) {
    if (statement.Int(3) <= known) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        connection.path(), " was written by ", statement.Text(4),
        ", which is newer: its migration ", statement.Text(1),
        " needs a program that knows migration ", statement.Int(3),
        ", this one ends at ", known, "; start that version or a later one"));
  }
  const Migration& migration = migrations[number - 1];
  if (statement.Text(2) == Checksum(migration.sql)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      connection.path(), ": migration ", statement.Text(1),
      " was applied with checksum ", statement.Text(2), " by ",
      statement.Text(4), ", but this program's ", migration.name, " has ",
      Checksum(migration.sql), "; a shipped migration never changes"));
}

// Returns the number of the newest migration that the file has had.
absl::StatusOr<int64_t> CheckAllApplied(
    Connection& connection, absl::Span<const Migration> migrations) {
  ASSIGN_OR_RETURN(Statement statement, connection.Prepare(kSelectApplied));
  int64_t newest = 0;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return newest;
    if (statement.Int(0) != newest + 1) {
      return absl::FailedPreconditionError(
          absl::StrCat(connection.path(), ": migration ", newest + 1,
                       " was never applied, but ", statement.Text(1),
                       " was; was the file changed by hand?"));
    }
    RETURN_IF_ERROR(CheckApplied(connection, statement, migrations));
    newest = statement.Int(0);
  }
}

absl::Status Apply(Connection& connection, const Migration& migration,
                   absl::string_view written_by) {
  ASSIGN_OR_RETURN(Transaction transaction,
                   Transaction::Begin(connection, Transaction::Kind::kWrite));
  RETURN_IF_ERROR(connection.Execute(migration.sql));
  const std::string checksum = Checksum(migration.sql);
  {
    ASSIGN_OR_RETURN(Statement statement, connection.Prepare(kInsertApplied));
    statement.BindInt(1, migration.number);
    statement.BindText(2, migration.name);
    statement.BindText(3, checksum);
    statement.BindInt(4, migration.min_reader);
    statement.BindText(5, written_by);
    statement.BindInt(6, absl::ToUnixMicros(absl::Now()));
    RETURN_IF_ERROR(statement.Run());
  }
  return transaction.Commit();
}

}  // namespace

absl::Status Migrate(Connection& connection,
                     absl::Span<const Migration> migrations,
                     absl::string_view written_by) {
  RETURN_IF_ERROR(connection.Execute(kCreateTable));
  ASSIGN_OR_RETURN(const int64_t newest,
                   CheckAllApplied(connection, migrations));
  for (const Migration& migration : migrations) {
    if (migration.number <= newest) continue;
    RETURN_IF_ERROR(Apply(connection, migration, written_by));
  }
  return absl::OkStatus();
}

}  // namespace engram::sqlite
