// A record's vectors, and the text that waits to become some, brought up to
// date with the record within its write.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_VECTORS_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_VECTORS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engram/storage/v1/feed.pb.h"
#include "services/storage/catalog.h"
#include "services/storage/record_batch.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Brings the outbox up to date with the text of `after`, which `before` (null
// if it is new) became; notes in `change` what followers must know. Call it
// before the record's change is appended.
absl::Status UpdateTextVectors(WriteTransaction& transaction,
                               const Collection& collection,
                               const StoredRecord* before,
                               const StoredRecord& after,
                               v1::RecordChanged& change);

// The same for vectors that the client brings: those that it clears are noted
// in `change`; StoreSupplied stores the others, each with a change of its own,
// after the record's.
absl::Status ClearSupplied(WriteTransaction& transaction,
                           const Collection& collection, int64_t row,
                           absl::Span<const SuppliedVectors> vectors,
                           v1::RecordChanged& change);
absl::Status StoreSupplied(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record,
                           absl::Span<const SuppliedVectors> vectors);
// Whether the record has these vectors already.
absl::StatusOr<bool> HasSupplied(WriteTransaction& transaction,
                                 const Collection& collection, int64_t row,
                                 const SuppliedVectors& vectors);

// Takes a record's text out of the outbox; its vectors stay in their tables.
absl::Status HideVectors(WriteTransaction& transaction,
                         const Collection& collection,
                         const StoredRecord& record);

// Undoes that: what has no vectors of its present text is pending in `change`.
// TellVectors appends a change for each of the others, after the record's.
absl::Status UnhideVectors(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record,
                           v1::RecordChanged& change);
absl::Status TellVectors(WriteTransaction& transaction,
                         const Collection& collection,
                         const StoredRecord& record,
                         const v1::RecordChanged& change);

// Removes all of it with the record.
absl::Status ForgetVectors(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_VECTORS_H_
