#ifndef ENGRAM_SERVICES_STORAGE_RECORD_EDITOR_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_EDITOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/storage/catalog.h"
#include "services/storage/delete_plan.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_store.h"
#include "services/storage/reference_checker.h"
#include "services/storage/rollup_keeper.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What a delete leaves of a record.
enum class DeleteMode {
  // By the collection's rules: a deleted record is kept where they say so.
  kDelete,
  // For good, deleted records and old versions too.
  kPurge,
};

// How many records a delete took.
struct DeleteCounts {
  // Those that it was asked for.
  int64_t deleted = 0;
  // Others, because they refer to those.
  int64_t cascaded = 0;
};

// Changes of single records by the rules of their collections: what refs
// demand, what deleting and expiring mean, roll-ups, restores. The caller has
// merged and checked the values (record_merger.h).
//
// For one write, on the writer's thread. An error leaves the write half done:
// let it fail, or undo the item (WriteTransaction::Part and Mark).
//
//   RecordEditor editor(transaction, catalog);
//   ASSIGN_OR_RETURN(auto found, editor.FindById(collection, id));
//   ...
//   ASSIGN_OR_RETURN(bool changed, editor.Change(collection, *found, ...));
//   RETURN_IF_ERROR(editor.Finish());  // once, after the last change
class RecordEditor {
 public:
  struct Limits {
    // The most records that one delete may take along, or clear a ref of.
    int64_t max_cascade_rows = 100'000;
  };

  // Both must outlive this object.
  RecordEditor(WriteTransaction& transaction, const Catalog& catalog,
               Limits limits)
      : transaction_(transaction),
        catalog_(catalog),
        limits_(limits),
        store_(transaction),
        references_(store_, catalog),
        rollups_(transaction, store_, catalog) {}

  WriteTransaction& transaction() { return transaction_; }
  const Catalog& catalog() { return catalog_; }
  int64_t now_us() const { return transaction_.now_us(); }

  // Reads a record; deleted ones that are kept too (`deleted_us`). One that has
  // expired is deleted first, and is then not there.
  absl::StatusOr<std::optional<StoredRecord>> FindById(
      const Collection& collection, absl::string_view id);
  absl::StatusOr<std::optional<StoredRecord>> FindByRow(
      const Collection& collection, int64_t row);
  // Whether there is such a row, of whatever kind.
  absl::StatusOr<bool> Has(const Collection& collection, int64_t row);
  // The record that holds the key as `values` have it. Never a deleted one.
  absl::StatusOr<std::optional<StoredRecord>> FindByKey(
      const Collection& collection, const UniqueKey& key,
      absl::Span<const ColumnValue> values);

  // Gives a record that MakeRecord made what roll-ups keep of no children. To
  // be called before it is checked.
  void BeginRollups(const Collection& collection, StoredRecord& record) const {
    rollups_.Begin(collection, record);
  }

  // Adds a record that MakeRecord made of `item`, which must live until Finish;
  // an empty id is replaced by a new one. Sets row, sequence and times. Returns
  // false, and has changed nothing, if the id or a unique key is taken.
  absl::StatusOr<bool> Create(const RecordItem& item, StoredRecord& record);

  // Makes a live record `after`, which ChangeRecord made of `before` and
  // `item`, which must live until Finish; vectors of the item are stored too.
  // Sets version, sequence and times. Returns false where `before` was all that
  // already: then nothing is written but when the record expires.
  // `AlreadyExists`, reason `UNIQUE_KEY_TAKEN`, naming both, if another record
  // holds a key.
  absl::StatusOr<bool> Change(const RecordItem& item,
                              const StoredRecord& before, StoredRecord& after);

  // Deletes records, live or deleted, of one collection, with what refers to
  // them. `FailedPrecondition`, reason `RECORD_REFERENCED`, if a live record
  // that is not among them, nor deleted with them, refers to one with
  // `on_delete: restrict`; `CASCADE_TOO_LARGE` beyond the limit. These two
  // leave everything as it was.
  absl::Status Delete(const Collection& collection,
                      absl::Span<const StoredRecord> records, DeleteMode mode,
                      DeleteCounts* counts);

  // Brings back a record that is deleted but kept, and those that its deletion
  // took along; `record` is then what it is. `item`, the restore, must live
  // until Finish. `AlreadyExists` if a key was taken meanwhile.
  absl::Status Undelete(const RecordItem& item, StoredRecord& record);

  // `AlreadyExists` naming the record that keeps `values` from being written,
  // by a unique key or, if `id` is not empty, by the id. `row` is the record
  // that they are for, 0 if it is new. OK if none does.
  absl::Status ExplainConflict(const Collection& collection, int64_t row,
                               absl::string_view id,
                               absl::Span<const ColumnValue> values);

  // Brings roll-ups up to date, then verifies that every ref written names a
  // live record: `FailedPrecondition`, reason `REFERENCE_MISSING`, with the
  // field's path. Call it once, after the last change.
  absl::Status Finish();
  // Verifies the refs written since the last call; for an item on its own.
  absl::Status CheckReferences() { return references_.Check(now_us()); }

  // What a part that is undone must take back here.
  struct Mark {
    ReferenceChecker::Mark references;
    RollupKeeper::Mark rollups;
  };
  Mark NewMark() const { return {references_.NewMark(), rollups_.NewMark()}; }
  void Rewind(const Mark& mark) {
    references_.Rewind(mark.references);
    rollups_.Rewind(mark.rollups);
  }

 private:
  // Deletes what was found if it has expired, and returns it if not.
  absl::StatusOr<std::optional<StoredRecord>> Unexpired(
      const Collection& collection, std::optional<StoredRecord> found);
  absl::StatusOr<bool> HasNewVectors(const RecordItem& item, int64_t row);
  absl::Status Remove(const DeletePlan::Victim& victim, bool hides,
                      RecordStore::History history);
  // Clears all refs of the first one's record; returns how many there were.
  absl::StatusOr<size_t> ClearRefs(absl::Span<const DeletePlan::ClearedRef>);
  absl::Status Unhide(const RecordItem& item, const Collection& collection,
                      StoredRecord& record);

  WriteTransaction& transaction_;
  const Catalog& catalog_;
  const Limits limits_;
  RecordStore store_;
  ReferenceChecker references_;
  RollupKeeper rollups_;
};

// `AlreadyExists`, reason `UNIQUE_KEY_TAKEN`: the key of `id`, empty for a new
// record, is held by the record `holder`.
absl::Status KeyTaken(const Collection& collection, const UniqueKey& key,
                      absl::string_view id, absl::string_view holder);

// `FailedPrecondition`, reason `RECORD_DELETED`: `id` is deleted, but kept.
absl::Status RecordDeleted(const Collection& collection, absl::string_view id);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_EDITOR_H_
