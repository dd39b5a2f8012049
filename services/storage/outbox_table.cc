#include "services/storage/outbox_table.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/failure_table.h"

namespace engram::storage {
namespace {

// Of an entry that holds no position back.
constexpr int64_t kNoPosition = 0;

constexpr absl::string_view kInsert = R"sql(
INSERT INTO _outbox (generation, row, content_hash, sequence)
VALUES (?, ?, ?, ?))sql";
constexpr absl::string_view kSelectHash =
    "SELECT content_hash FROM _outbox WHERE generation = ? AND row = ?";
constexpr absl::string_view kDelete =
    "DELETE FROM _outbox WHERE generation = ? AND row = ?";
constexpr absl::string_view kSelectEntry = R"sql(
SELECT row, attempts FROM _outbox
WHERE entry = ? AND generation = ? AND content_hash = ?)sql";
constexpr absl::string_view kCountAttempt =
    "UPDATE _outbox SET attempts = attempts + 1 WHERE entry = ?";

// Returns the hash of the text that waits to be embedded, if one does.
absl::StatusOr<std::optional<std::string>> FindPendingHash(
    WriteTransaction& transaction, int64_t generation, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(kSelectHash));
  select.BindInt(1, generation);
  select.BindInt(2, row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return std::string(select.Blob(0));
}

absl::Status InsertEntry(WriteTransaction& transaction, int64_t generation,
                         int64_t row, absl::string_view content_hash,
                         int64_t sequence) {
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   transaction.connection().Cached(kInsert));
  insert.BindInt(1, generation);
  insert.BindInt(2, row);
  insert.BindBlob(3, content_hash);
  insert.BindInt(4, sequence);
  RETURN_IF_ERROR(insert.Run());
  ++transaction.effects().outbox_growth;
  transaction.effects().has_new_entries = true;
  return absl::OkStatus();
}

// Returns whether there were any.
absl::StatusOr<bool> DeleteVectors(WriteTransaction& transaction,
                                   const Generation& generation, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(generation.remove));
  remove.BindInt(1, VectorKey(row, 0));
  remove.BindInt(2, VectorKey(row, kMaxChunks - 1));
  RETURN_IF_ERROR(remove.Run());
  return transaction.connection().changes() > 0;
}

}  // namespace

absl::Status AddOutboxEntry(WriteTransaction& transaction, int64_t generation,
                            int64_t row, const ContentHash& hash,
                            int64_t sequence) {
  return InsertEntry(transaction, generation, row, hash.bytes(), sequence);
}

absl::StatusOr<bool> UpdateOutboxEntry(WriteTransaction& transaction,
                                       const Generation& generation,
                                       int64_t row, const ContentHash& hash,
                                       int64_t sequence) {
  ASSIGN_OR_RETURN(const std::optional<std::string> pending,
                   FindPendingHash(transaction, generation.id, row));
  if (pending.has_value()) {
    if (*pending == hash.bytes()) return false;
    // A new entry even if the stored vectors are of this text: followers were
    // told to expect vectors, and only vectors take that back.
    RETURN_IF_ERROR(
        RemoveOutboxEntry(transaction, generation.id, row).status());
  } else {
    ASSIGN_OR_RETURN(const bool embedded,
                     HasVectorsOf(transaction, generation, row, hash.bytes()));
    if (embedded) return false;
    ASSIGN_OR_RETURN(const std::optional<std::string> failed,
                     FindFailedHash(transaction, generation.id, row));
    if (failed.has_value()) {
      if (*failed == hash.bytes()) return false;
      RETURN_IF_ERROR(RemoveFailure(transaction, generation.id, row));
    }
  }
  RETURN_IF_ERROR(
      AddOutboxEntry(transaction, generation.id, row, hash, sequence));
  return true;
}

absl::StatusOr<bool> RemoveOutboxEntry(WriteTransaction& transaction,
                                       int64_t generation, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kDelete));
  remove.BindInt(1, generation);
  remove.BindInt(2, row);
  RETURN_IF_ERROR(remove.Run());
  const bool existed = transaction.connection().changes() > 0;
  if (existed) {
    --transaction.effects().outbox_growth;
  } else {
    RETURN_IF_ERROR(RemoveFailure(transaction, generation, row));
  }
  return existed;
}

absl::StatusOr<std::optional<PendingEntry>> FindEntry(
    WriteTransaction& transaction, int64_t entry, int64_t generation,
    absl::string_view content_hash) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(kSelectEntry));
  select.BindInt(1, entry);
  select.BindInt(2, generation);
  select.BindBlob(3, content_hash);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return PendingEntry{.row = select.Int(0), .attempts = select.Int(1)};
}

absl::Status CountAttempt(WriteTransaction& transaction, int64_t entry) {
  ASSIGN_OR_RETURN(sqlite::Statement update,
                   transaction.connection().Cached(kCountAttempt));
  update.BindInt(1, entry);
  return update.Run();
}

absl::Status RequeueFailure(WriteTransaction& transaction, int64_t generation,
                            int64_t row) {
  ASSIGN_OR_RETURN(const std::optional<std::string> hash,
                   FindFailedHash(transaction, generation, row));
  if (!hash.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(RemoveFailure(transaction, generation, row));
  return InsertEntry(transaction, generation, row, *hash, kNoPosition);
}

absl::StatusOr<bool> HasVectorsOf(WriteTransaction& transaction,
                                  const Generation& generation, int64_t row,
                                  absl::string_view content_hash) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(generation.select_hash));
  select.BindInt(1, VectorKey(row, 0));
  ASSIGN_OR_RETURN(const bool found, select.Step());
  return found && select.Blob(0) == content_hash;
}

absl::StatusOr<bool> HasAnyVectors(WriteTransaction& transaction,
                                   const Generation& generation, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(generation.select_hash));
  select.BindInt(1, VectorKey(row, 0));
  return select.Step();
}

absl::Status ReplaceVectors(WriteTransaction& transaction,
                            const Generation& generation, int64_t row,
                            int64_t sequence, absl::string_view content_hash,
                            absl::Span<const ChunkVector> chunks) {
  ASSIGN_OR_RETURN(const bool had_vectors,
                   DeleteVectors(transaction, generation, row));
  if (!had_vectors) transaction.CountVectors(generation.id, 1);
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   transaction.connection().Cached(generation.insert));
  for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    insert.BindInt(1, VectorKey(row, static_cast<int64_t>(chunk)));
    insert.BindBlob(2, content_hash);
    insert.BindInt(3, sequence);
    insert.BindBlob(4, chunks[chunk].vector);
    if (generation.chunked) {
      insert.BindBlob(5, chunks[chunk].text_hash);
      insert.BindInt(6, chunks[chunk].range.begin);
      insert.BindInt(7, chunks[chunk].range.end);
    }
    RETURN_IF_ERROR(insert.Run());
  }
  ++transaction.effects().vectors_stored;
  return absl::OkStatus();
}

absl::Status RenumberVectors(WriteTransaction& transaction,
                             const Generation& generation, int64_t row,
                             int64_t sequence) {
  ASSIGN_OR_RETURN(sqlite::Statement update,
                   transaction.connection().Cached(absl::StrCat(
                       "UPDATE _vectors_", generation.id,
                       " SET sequence = ? WHERE _key BETWEEN ? AND ?")));
  update.BindInt(1, sequence);
  update.BindInt(2, VectorKey(row, 0));
  update.BindInt(3, VectorKey(row, kMaxChunks - 1));
  return update.Run();
}

absl::StatusOr<bool> RemoveVectors(WriteTransaction& transaction,
                                   const Generation& generation, int64_t row) {
  ASSIGN_OR_RETURN(const bool was_pending,
                   RemoveOutboxEntry(transaction, generation.id, row));
  ASSIGN_OR_RETURN(const bool had_vectors,
                   DeleteVectors(transaction, generation, row));
  if (had_vectors) transaction.CountVectors(generation.id, -1);
  return was_pending || had_vectors;
}

absl::Status RemoveHiddenVectors(WriteTransaction& transaction,
                                 const Generation& generation, int64_t row) {
  return DeleteVectors(transaction, generation, row).status();
}

}  // namespace engram::storage
