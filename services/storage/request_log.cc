#include "services/storage/request_log.h"

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelect = R"sql(
SELECT request_hash, response, created_us
FROM _requests WHERE method = ? AND request_id = ?)sql";
constexpr absl::string_view kDeleteRequest =
    "DELETE FROM _requests WHERE method = ? AND request_id = ?";
constexpr absl::string_view kSelectNewestBytes = R"sql(
SELECT coalesce((
  SELECT bytes_through FROM _requests ORDER BY ordinal DESC LIMIT 1), 0))sql";
constexpr absl::string_view kInsert = R"sql(
INSERT INTO _requests
  (method, request_id, request_hash, response, bytes_through, created_us)
VALUES (?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kSelectOldest = R"sql(
SELECT ordinal, bytes_through, created_us
FROM _requests ORDER BY ordinal LIMIT 1)sql";
constexpr absl::string_view kDeleteOrdinal =
    "DELETE FROM _requests WHERE ordinal = ?";

// More than one a request, so that a backlog shrinks; few, so that no request
// pays for all.
constexpr int kMaxPruned = 16;

int64_t OldestUs(const WriteTransaction& transaction) {
  return transaction.now_us() - absl::ToInt64Microseconds(kRequestLifetime);
}

// Drops the oldest answers while they are too old or too much.
absl::Status Prune(WriteTransaction& transaction, int64_t newest_bytes) {
  for (int i = 0; i < kMaxPruned; ++i) {
    ASSIGN_OR_RETURN(sqlite::Statement oldest,
                     transaction.connection().Cached(kSelectOldest));
    ASSIGN_OR_RETURN(const bool found, oldest.Step());
    if (!found || (oldest.Int(2) >= OldestUs(transaction) &&
                   newest_bytes - oldest.Int(1) <= kMaxKeptResponseBytes)) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(sqlite::Statement remove,
                     transaction.connection().Cached(kDeleteOrdinal));
    remove.BindInt(1, oldest.Int(0));
    oldest.Reset();
    RETURN_IF_ERROR(remove.Run());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<std::string>> FindResponse(
    WriteTransaction& transaction, absl::string_view method,
    absl::string_view request_id, absl::string_view request_hash) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(kSelect));
  select.BindText(1, method);
  select.BindText(2, request_id);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found || select.Int(2) < OldestUs(transaction)) return std::nullopt;
  if (select.Blob(0) != request_hash) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        common::v1::ERROR_REASON_REQUEST_ID_REUSED,
        absl::StrCat("request_id \"", request_id,
                     "\" was used for another request in the last 24 hours; "
                     "give each request an id of its own"),
        {{"request_id", request_id}});
  }
  return std::string(select.Blob(1));
}

absl::Status KeepResponse(WriteTransaction& transaction,
                          absl::string_view method,
                          absl::string_view request_id,
                          absl::string_view request_hash,
                          absl::string_view response) {
  sqlite::Connection& connection = transaction.connection();
  {
    // There is one only if it is past its lifetime.
    ASSIGN_OR_RETURN(sqlite::Statement remove,
                     connection.Cached(kDeleteRequest));
    remove.BindText(1, method);
    remove.BindText(2, request_id);
    RETURN_IF_ERROR(remove.Run());
  }
  ASSIGN_OR_RETURN(int64_t bytes_through,
                   connection.QueryInt(kSelectNewestBytes));
  bytes_through += static_cast<int64_t>(response.size());
  ASSIGN_OR_RETURN(sqlite::Statement insert, connection.Cached(kInsert));
  insert.BindText(1, method);
  insert.BindText(2, request_id);
  insert.BindBlob(3, request_hash);
  insert.BindBlob(4, response);
  insert.BindInt(5, bytes_through);
  insert.BindInt(6, transaction.now_us());
  RETURN_IF_ERROR(insert.Run());
  return Prune(transaction, bytes_through);
}

}  // namespace engram::storage
