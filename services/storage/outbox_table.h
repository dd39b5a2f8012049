// The outbox entries and vectors of one record, within a write.

#ifndef ENGRAM_SERVICES_STORAGE_OUTBOX_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_OUTBOX_TABLE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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
// text must be embedded: an entry was added, an earlier one of the record
// replaced. False if its vectors, or the entry that waits, are of this text.
absl::StatusOr<bool> UpdateOutboxEntry(WriteTransaction& transaction,
                                       const Generation& generation,
                                       int64_t row, const ContentHash& hash,
                                       int64_t sequence);

// Removes a record's entry and its vectors. Returns whether there were any.
absl::StatusOr<bool> RemoveVectors(WriteTransaction& transaction,
                                   const Generation& generation, int64_t row);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_OUTBOX_TABLE_H_
