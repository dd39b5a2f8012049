#ifndef ENGRAM_SERVICES_STORAGE_ROLLUP_KEEPER_H_
#define ENGRAM_SERVICES_STORAGE_ROLLUP_KEEPER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/storage/catalog.h"
#include "services/storage/record_store.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Keeps the fields of parents that are rolled up from their children. What
// happens to children is noted, so that a parent is written once a batch,
// however many children the batch writes.
class RollupKeeper {
 public:
  // How much was noted.
  using Mark = size_t;

  // All must outlive this object.
  RollupKeeper(WriteTransaction& transaction, RecordStore& store,
               const Catalog& catalog)
      : transaction_(transaction), store_(store), catalog_(catalog) {}

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
    bool came = false;
    // The child's value for each Set of the roll-up; `monostate` for a count.
    std::vector<ColumnValue> values;
  };

  void Add(const Collection& collection, const StoredRecord& child, bool came);
  // Brings one parent up to date with its entries, all of one roll-up.
  absl::Status WriteParent(absl::Span<const Entry> entries);
  // The roll-up's fields computed from all children.
  absl::Status Recompute(const Collection& collection, const Entry& entry,
                         const Collection& target, StoredRecord& parent);

  WriteTransaction& transaction_;
  RecordStore& store_;
  const Catalog& catalog_;
  std::vector<Entry> notes_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ROLLUP_KEEPER_H_
