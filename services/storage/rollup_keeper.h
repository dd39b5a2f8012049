#ifndef ENGRAM_SERVICES_STORAGE_ROLLUP_KEEPER_H_
#define ENGRAM_SERVICES_STORAGE_ROLLUP_KEEPER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/storage/catalog.h"
#include "services/storage/record_store.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Keeps the fields of parents that are rolled up from their children. What
// happens to children is noted, so that a parent is written once a batch,
// however many children the batch writes.
//
// Counts and sums are moved by what changed; where that cannot be told, because
// the least or largest child went or the parent has no value yet, they are
// computed from all children.
class RollupKeeper {
 public:
  // How much was noted.
  using Mark = size_t;

  // All must outlive this object.
  RollupKeeper(WriteTransaction& transaction, RecordStore& store,
               const Catalog& catalog)
      : transaction_(transaction), store_(store), catalog_(catalog) {}

  // Gives counts and sums of a new parent, which has no children yet, their 0.
  void Begin(const Collection& collection, StoredRecord& parent) const;

  // Notes that a child became another, came (`before` null) or went (`after`
  // null). To a roll-up a hidden record has gone.
  void Note(const Collection& collection, const StoredRecord* before,
            const StoredRecord* after);

  // Writes the parents, and theirs in turn.
  absl::Status Flush();

  Mark NewMark() const { return notes_.size(); }
  void Rewind(Mark mark) { notes_.resize(mark); }

 private:
  // A child that counts now, or no longer, for one parent.
  struct Entry {
    int64_t collection = 0;
    // The place in CollectionSpec::rollups.
    int rollup = 0;
    // The parent's id.
    std::string parent;
    // The child's value for each Set of the roll-up; `monostate` for a count.
    std::vector<ColumnValue> values;
    bool came = false;
  };

  std::optional<Entry> MakeEntry(const Collection& collection, int rollup,
                                 const StoredRecord* child) const;
  // Brings the parent that all entries, sorted, name up to date.
  absl::Status WriteParent(const Collection& target,
                           absl::Span<const Entry> entries);
  // Applies entries of one roll-up to the parent's values.
  absl::Status Apply(const Collection& target, absl::Span<const Entry> entries,
                     StoredRecord& parent);
  absl::Status Recompute(const Collection& child, const Entry& entry,
                         const Collection& target, StoredRecord& parent);

  WriteTransaction& transaction_;
  RecordStore& store_;
  const Catalog& catalog_;
  std::vector<Entry> notes_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ROLLUP_KEEPER_H_
