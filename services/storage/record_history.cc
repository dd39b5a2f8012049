#include "services/storage/record_history.h"

#include <limits>
#include <string>
#include <utility>

#include "libs/status/status_macros.h"
#include "services/storage/record_body.h"
#include "services/storage/record_merger.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kInsert = R"sql(
INSERT INTO _versions (collection, row, version, id, body, created_us,
                       updated_us, deleted, replaced_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kDeleteThrough = R"sql(
DELETE FROM _versions
WHERE collection = ? AND row = ? AND version <= ?)sql";
// Of rows that had the same id one after the other, the newest counts.
constexpr absl::string_view kSelect = R"sql(
SELECT body, created_us FROM _versions
WHERE collection = ? AND id = ? AND version = ? ORDER BY row DESC LIMIT 1)sql";
constexpr absl::string_view kSelectNewest = R"sql(
SELECT coalesce(max(version), 0) FROM _versions
WHERE collection = ? AND id = ?)sql";
// From the index alone: bodies may be large. Without `before`, above any.
constexpr absl::string_view kSelectKeys = R"sql(
SELECT row, version FROM _versions
WHERE collection = ? AND id = ? AND (row, version) < (?, ?)
ORDER BY row DESC, version DESC LIMIT ?)sql";
constexpr absl::string_view kSelectVersion = R"sql(
SELECT id, body, created_us, updated_us, deleted, replaced_us FROM _versions
WHERE collection = ? AND row = ? AND version = ?)sql";
constexpr absl::string_view kForget =
    "DELETE FROM _versions WHERE collection = ? AND id = ?";
constexpr absl::string_view kPrune = R"sql(
DELETE FROM _versions WHERE (collection, row, version) IN (
  SELECT collection, row, version FROM _versions
  WHERE collection = ? AND replaced_us < ? LIMIT ?))sql";

}  // namespace

absl::Status KeepVersion(WriteTransaction& transaction,
                         const Collection& collection,
                         const StoredRecord& record, VersionEnd end) {
  if (!collection.spec.history.has_value()) return absl::OkStatus();
  std::string body;
  RETURN_IF_ERROR(EncodeBody(collection, record, BodyFields::kStored, &body));
  {
    ASSIGN_OR_RETURN(sqlite::Statement insert,
                     transaction.connection().Cached(kInsert));
    insert.BindInt(1, collection.id);
    insert.BindInt(2, record.row);
    insert.BindInt(3, record.version);
    insert.BindText(4, record.id);
    insert.BindBlob(5, body);
    insert.BindInt(6, record.created_us);
    insert.BindInt(7, record.updated_us);
    insert.BindInt(8, static_cast<int64_t>(end));
    insert.BindInt(9, transaction.now_us());
    RETURN_IF_ERROR(insert.Run());
  }
  const int64_t last = record.version - collection.spec.history->versions;
  if (last <= 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kDeleteThrough));
  remove.BindInt(1, collection.id);
  remove.BindInt(2, record.row);
  remove.BindInt(3, last);
  return remove.Run();
}

absl::StatusOr<std::optional<OldVersion>> FindOldVersion(
    WriteTransaction& transaction, const Collection& collection,
    absl::string_view id, int64_t version) {
  OldVersion old;
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     transaction.connection().Cached(kSelect));
    select.BindInt(1, collection.id);
    select.BindText(2, id);
    select.BindInt(3, version);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return std::nullopt;
    ASSIGN_OR_RETURN(old.values, DecodeBody(collection, select.Blob(0),
                                            UnreadableFields::kRefuse));
    old.created_us = select.Int(1);
  }
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(kSelectNewest));
  select.BindInt(1, collection.id);
  select.BindText(2, id);
  RETURN_IF_ERROR(select.Step().status());
  old.newest = select.Int(0);
  return old;
}

absl::StatusOr<std::vector<VersionKey>> FindVersions(
    sqlite::Connection& connection, const Collection& collection,
    absl::string_view id, std::optional<VersionKey> before, int limit) {
  constexpr int64_t kAboveAny = std::numeric_limits<int64_t>::max();
  const VersionKey end = before.value_or(VersionKey{kAboveAny, kAboveAny});
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectKeys));
  select.BindInt(1, collection.id);
  select.BindText(2, id);
  select.BindInt(3, end.row);
  select.BindInt(4, end.version);
  select.BindInt(5, limit);
  std::vector<VersionKey> keys;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return keys;
    keys.push_back({select.Int(0), select.Int(1)});
  }
}

absl::StatusOr<KeptVersion> ReadVersion(sqlite::Connection& connection,
                                        const Collection& collection,
                                        VersionKey key) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectVersion));
  select.BindInt(1, collection.id);
  select.BindInt(2, key.row);
  select.BindInt(3, key.version);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return absl::InternalError("a version that was found is gone");
  KeptVersion kept;
  kept.record.row = key.row;
  kept.record.version = key.version;
  kept.record.id = std::string(select.Text(0));
  ASSIGN_OR_RETURN(kept.record.values, DecodeBody(collection, select.Blob(1),
                                                  UnreadableFields::kLeaveOut));
  kept.record.created_us = select.Int(2);
  kept.record.updated_us = select.Int(3);
  kept.end = static_cast<VersionEnd>(select.Int(4));
  kept.ended_us = select.Int(5);
  FillGenerated(collection, kept.record);
  return kept;
}

absl::Status ForgetVersions(WriteTransaction& transaction,
                            const Collection& collection,
                            absl::string_view id) {
  if (!collection.spec.history.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kForget));
  remove.BindInt(1, collection.id);
  remove.BindText(2, id);
  return remove.Run();
}

absl::StatusOr<int64_t> PruneVersions(WriteTransaction& transaction,
                                      const Collection& collection,
                                      int64_t oldest_us, int limit) {
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kPrune));
  remove.BindInt(1, collection.id);
  remove.BindInt(2, oldest_us);
  remove.BindInt(3, limit);
  RETURN_IF_ERROR(remove.Run());
  return transaction.connection().changes();
}

}  // namespace engram::storage
