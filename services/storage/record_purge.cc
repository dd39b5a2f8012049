#include "services/storage/record_purge.h"

#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

bool CannotBeDeleted(const absl::Status& status) {
  const ErrorReason reason = ReasonOf(status);
  return reason == common::v1::ERROR_REASON_RECORD_REFERENCED ||
         reason == common::v1::ERROR_REASON_CASCADE_TOO_LARGE ||
         // By a record whose ref would be cleared.
         reason == common::v1::ERROR_REASON_UNIQUE_KEY_TAKEN;
}

// Deletes the records for good, or leaves everything as it was.
absl::Status PurgeAll(RecordEditor& editor, const Collection& collection,
                      absl::Span<const StoredRecord> records,
                      DeleteCounts& counts) {
  const RecordEditor::Mark mark = editor.NewMark();
  ASSIGN_OR_RETURN(WriteTransaction::Part part,
                   WriteTransaction::Part::Begin(editor.transaction()));
  DeleteCounts deleted;
  const absl::Status status =
      editor.Delete(collection, records, DeleteMode::kPurge, &deleted);
  if (!status.ok()) {
    editor.Rewind(mark);
    return status;
  }
  counts.deleted += deleted.deleted;
  counts.cascaded += deleted.cascaded;
  return part.Keep();
}

}  // namespace

absl::StatusOr<size_t> PurgeRecords(RecordEditor& editor,
                                    const Collection& collection,
                                    absl::Span<const StoredRecord> records,
                                    int64_t max_rows, PurgeCounts& counts) {
  const absl::Status together =
      PurgeAll(editor, collection, records, counts.deleted);
  if (together.ok()) return records.size();
  if (!CannotBeDeleted(together)) return together;
  for (size_t i = 0; i < records.size(); ++i) {
    if (counts.deleted.deleted + counts.deleted.cascaded >= max_rows) return i;
    // One before may have taken it along.
    ASSIGN_OR_RETURN(const bool is_there,
                     editor.Has(collection, records[i].row));
    if (!is_there) continue;
    const absl::Status alone =
        PurgeAll(editor, collection, records.subspan(i, 1), counts.deleted);
    if (alone.ok()) continue;
    if (!CannotBeDeleted(alone)) return alone;
    ++counts.kept;
  }
  return records.size();
}

}  // namespace engram::storage
