#include "services/storage/failure_table.h"

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kInsert = R"sql(
INSERT INTO _failures
  (generation, row, content_hash, reason, message, attempts, failed_us)
VALUES (?, ?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kSelectHash =
    "SELECT content_hash FROM _failures WHERE generation = ? AND row = ?";
constexpr absl::string_view kDelete =
    "DELETE FROM _failures WHERE generation = ? AND row = ?";

}  // namespace

absl::Status AddFailure(WriteTransaction& transaction, const Failure& failure) {
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   transaction.connection().Cached(kInsert));
  insert.BindInt(1, failure.generation);
  insert.BindInt(2, failure.row);
  insert.BindBlob(3, failure.content_hash);
  insert.BindInt(4, failure.reason);
  insert.BindText(5, failure.message);
  insert.BindInt(6, failure.attempts);
  insert.BindInt(7, transaction.now_us());
  RETURN_IF_ERROR(insert.Run());
  ++transaction.effects().failures_growth;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> FindFailedHash(
    WriteTransaction& transaction, int64_t generation, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(kSelectHash));
  select.BindInt(1, generation);
  select.BindInt(2, row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return std::string(select.Blob(0));
}

absl::Status RemoveFailure(WriteTransaction& transaction, int64_t generation,
                           int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kDelete));
  remove.BindInt(1, generation);
  remove.BindInt(2, row);
  RETURN_IF_ERROR(remove.Run());
  if (transaction.connection().changes() > 0) {
    --transaction.effects().failures_growth;
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
