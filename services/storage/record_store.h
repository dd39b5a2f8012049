#ifndef ENGRAM_SERVICES_STORAGE_RECORD_STORE_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engram/storage/v1/feed.pb.h"
#include "services/storage/catalog.h"
#include "services/storage/record_batch.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// The rows of collections, and all that is kept with a row in the same
// transaction: elements, full text, old versions, outbox, vectors, counts, the
// entry in the change log, and the image that is kept with it. Nothing else
// writes to a collection's table.
//
// Knows no rules: what refs, roll-ups and merge rules ask for is
// RecordEditor's. For one write, on the writer's thread.
class RecordStore {
 public:
  // Whether a removed record's old versions and images, the last ones among
  // them, stay.
  enum class History { kKeep, kForget };

  // `transaction` must outlive this object.
  explicit RecordStore(WriteTransaction& transaction)
      : transaction_(transaction) {}

  // Reads a record whole, deleted and expired ones too; nothing if there is
  // none.
  absl::StatusOr<std::optional<StoredRecord>> FindById(
      const Collection& collection, absl::string_view id);
  absl::StatusOr<std::optional<StoredRecord>> FindByRow(
      const Collection& collection, int64_t row);
  // The record that holds the key as `values`, those of a whole record, have
  // it; never a deleted one.
  absl::StatusOr<std::optional<StoredRecord>> FindByKey(
      const UniqueKey& key, absl::Span<const ColumnValue> values);

  // Adds `record`, whose id, version, times and values are set; sets row and
  // sequence. Returns false, and has changed nothing, if the id or a unique key
  // is taken.
  absl::StatusOr<bool> Insert(const Collection& collection,
                              StoredRecord& record,
                              absl::Span<const SuppliedVectors> vectors);

  // Turns `before` into `after`, which differs in its values or gets
  // `vectors`; sets version, time of update and sequence of `after`. Returns
  // false, and has changed nothing, if a unique key is taken.
  absl::StatusOr<bool> Update(const Collection& collection,
                              const StoredRecord& before, StoredRecord& after,
                              absl::Span<const SuppliedVectors> vectors);

  // Whether these vectors are the stored ones.
  absl::StatusOr<bool> HasVectors(const Collection& collection, int64_t row,
                                  const SuppliedVectors& vectors);

  // Changes only when the record expires: no version, no change.
  absl::Status MoveExpiry(const Collection& collection, int64_t row,
                          std::optional<int64_t> expires_us);

  // Changes only when the record expires and these columns, places of fields
  // that no index but SQLite's own is made of: no version, no change.
  absl::Status Touch(const Collection& collection, const StoredRecord& record,
                     const std::vector<int>& places);

  // Makes a record a deleted one that is kept, or a live one again, which is a
  // new version; only where the collection keeps deleted records. Unhide
  // returns false, and has changed nothing, if a unique key is taken meanwhile.
  absl::Status Hide(const Collection& collection, const StoredRecord& record);
  absl::StatusOr<bool> Unhide(const Collection& collection,
                              StoredRecord& record);

  // Removes a record, live or hidden, for good.
  absl::Status Remove(const Collection& collection, const StoredRecord& record,
                      History history);

 private:
  // The text of an UPDATE, kept for the next record with the same changes.
  struct UpdateStatement {
    const Collection* collection = nullptr;
    std::vector<int> places;
    std::string sql;
  };

  int64_t NextSequence() const {
    return transaction_.log().head().sequence + 1;
  }
  const std::string& UpdateSql(const Collection& collection,
                               const std::vector<int>& places);
  absl::StatusOr<bool> UpdateRow(const Collection& collection,
                                 const StoredRecord& before,
                                 const StoredRecord& after);
  absl::Status AppendChanged(const Collection& collection,
                             const StoredRecord& record,
                             v1::RecordChanged& change, int64_t image_bytes);
  absl::Status AppendDeleted(const Collection& collection,
                             const StoredRecord& record, int64_t image_bytes);

  WriteTransaction& transaction_;
  UpdateStatement update_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_STORE_H_
