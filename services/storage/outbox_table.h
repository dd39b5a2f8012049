// The outbox entries and vectors of one record, within a write.

#ifndef ENGRAM_SERVICES_STORAGE_OUTBOX_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_OUTBOX_TABLE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/storage/catalog.h"
#include "services/storage/content_hash.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Adds the entry of a record that was just created. `sequence` is that of the
// write.
absl::Status AddOutboxEntry(WriteTransaction& transaction, int64_t generation,
                            int64_t row, const ContentHash& hash,
                            int64_t sequence);

// Brings the outbox up to date with a record's new text. Returns true if the
// text must be embedded: an entry was added, an earlier one of the record, or
// its failure, replaced. False if its vectors, the entry that waits or the
// failure are of this text.
absl::StatusOr<bool> UpdateOutboxEntry(WriteTransaction& transaction,
                                       const Generation& generation,
                                       int64_t row, const ContentHash& hash,
                                       int64_t sequence);

// An entry as a caller who leased it knows it.
struct PendingEntry {
  int64_t row = 0;
  // How often it was tried without success.
  int64_t attempts = 0;
};

// Finds the entry, if it is still of the text that has this hash.
absl::StatusOr<std::optional<PendingEntry>> FindEntry(
    WriteTransaction& transaction, int64_t entry, int64_t generation,
    absl::string_view content_hash);

// Notes that an entry was tried without success.
absl::Status CountAttempt(WriteTransaction& transaction, int64_t entry);

// Has a text that could not be embedded tried again: its failure becomes an
// entry, which no position waits for.
absl::Status RequeueFailure(WriteTransaction& transaction, int64_t generation,
                            int64_t row);

// Removes the record's entry, or its failure. Returns whether there was an
// entry.
absl::StatusOr<bool> RemoveOutboxEntry(WriteTransaction& transaction,
                                       int64_t generation, int64_t row);

// Whether the record's stored vectors are of what has this hash.
absl::StatusOr<bool> HasVectorsOf(WriteTransaction& transaction,
                                  const Generation& generation, int64_t row,
                                  absl::string_view content_hash);

// Whether the record has vectors, of whatever text.
absl::StatusOr<bool> HasAnyVectors(WriteTransaction& transaction,
                                   const Generation& generation, int64_t row);

// The vector of one chunk; borrowed.
struct ChunkVector {
  // Packed float32, little-endian.
  absl::string_view vector;
  // What the chunk is; only where the generation is chunked.
  absl::string_view text_hash;
  ChunkRange range;
};

// Stores a record's vectors in place of those that it has. `sequence` is that
// of the VectorsStored change which the caller appends.
absl::Status ReplaceVectors(WriteTransaction& transaction,
                            const Generation& generation, int64_t row,
                            int64_t sequence, absl::string_view content_hash,
                            absl::Span<const ChunkVector> chunks);

// Gives a record's stored vectors the sequence of a later change.
absl::Status RenumberVectors(WriteTransaction& transaction,
                             const Generation& generation, int64_t row,
                             int64_t sequence);

// Removes a record's entry and its vectors. Returns whether there were any.
// Vectors of a hidden record are not among those counted.
absl::StatusOr<bool> RemoveVectors(WriteTransaction& transaction,
                                   const Generation& generation, int64_t row);
absl::Status RemoveHiddenVectors(WriteTransaction& transaction,
                                 const Generation& generation, int64_t row);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_OUTBOX_TABLE_H_
