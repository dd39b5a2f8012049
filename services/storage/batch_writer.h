#ifndef ENGRAM_SERVICES_STORAGE_BATCH_WRITER_H_
#define ENGRAM_SERVICES_STORAGE_BATCH_WRITER_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/status/errors.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_editor.h"
#include "services/storage/stored_record.h"

namespace engram::storage {

// Does the items of one batch, one after the other, each seeing what those
// before it did.
class BatchWriter {
 public:
  // Both must outlive this object.
  BatchWriter(RecordEditor& editor, const RecordBatch& batch)
      : editor_(editor), batch_(batch) {}

  // Adds one result an item to `response`. An error means that nothing may be
  // kept.
  absl::Status Write(v1::WriteResponse* response);

 private:
  using Found = std::optional<StoredRecord>;

  absl::Status WriteTogether(v1::WriteResponse* response);
  absl::Status WriteEach(v1::WriteResponse* response);
  // Does an item as a part that can be undone; its error is its result's.
  absl::Status WriteAlone(const RecordItem& item, v1::WriteResult& result);
  absl::Status WriteItem(const RecordItem& item, v1::WriteResult& result);

  absl::Status Create(const RecordItem& item, v1::WriteResult& result);
  // Upsert and replace.
  absl::Status Put(const RecordItem& item, v1::WriteResult& result);
  absl::Status Update(const RecordItem& item, v1::WriteResult& result);
  absl::Status Delete(const RecordItem& item, v1::WriteResult& result);
  absl::Status Undelete(const RecordItem& item, v1::WriteResult& result);
  absl::Status RestoreVersion(const RecordItem& item, v1::WriteResult& result);

  // Makes a new record without looking whether there is one. False, and nothing
  // is changed, if there is or if the new one would break a rule.
  absl::StatusOr<bool> TryCreate(const RecordItem& item,
                                 v1::WriteResult& result);
  // The record that an upsert or replace means.
  absl::StatusOr<Found> FindMeant(const RecordItem& item);
  // Writes record_, made of `item`, as a new record.
  absl::Status AddRecord(const RecordItem& item, v1::WriteResult& result);
  absl::Status ChangeExisting(const RecordItem& item,
                              const StoredRecord& existing,
                              v1::WriteResult& result);
  // Writes record_, made of `existing`, unless it breaks a rule.
  absl::Status StoreChanged(const RecordItem& item,
                            const StoredRecord& existing,
                            v1::WriteResult& result);
  void CheckMade(const RecordItem& item, const StoredRecord* existing);

  RecordEditor& editor_;
  const RecordBatch& batch_;
  // What the item being done becomes; one for all, so that memory is used
  // again.
  StoredRecord record_;
  // Broken rules: of all items or, where each is for itself, of the one being
  // done. Once there are any nothing more is written, only checked.
  FieldViolations violations_;
  // Whether the last upsert met no record, so that the next one is more likely
  // to be new than not.
  bool expects_new_ = true;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_BATCH_WRITER_H_
