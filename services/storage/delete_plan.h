#ifndef ENGRAM_SERVICES_STORAGE_DELETE_PLAN_H_
#define ENGRAM_SERVICES_STORAGE_DELETE_PLAN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/storage/catalog.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What deleting some records means for those that refer to them, worked out
// before anything is changed. Refs may go round: a record is met once.
//
// Holds rows and ids, not records, so that a large cascade takes little memory.
class DeletePlan {
 public:
  struct Victim {
    CollectionPtr collection;
    int64_t row = 0;
    std::string id;
  };
  // A ref that loses its value.
  struct ClearedRef {
    CollectionPtr collection;
    int64_t row = 0;
    int field = 0;
  };

  // Plans to hide the records, or to remove them for good, as `hides` says.
  // `FailedPrecondition`, reason `RECORD_REFERENCED`, if a live record that
  // stays refers to one with `on_delete: restrict`; reason `CASCADE_TOO_LARGE`
  // if more than `max_rows` others would be deleted or cleared.
  static absl::StatusOr<DeletePlan> Make(WriteTransaction& transaction,
                                         const Catalog& catalog,
                                         const Collection& collection,
                                         absl::Span<const StoredRecord> records,
                                         bool hides, int64_t max_rows);

  // Those asked for first, then those that refer to them, and so on.
  const std::vector<Victim>& victims() const { return victims_; }
  // By collection and row; of records that stay.
  const std::vector<ClearedRef>& cleared() const { return cleared_; }

 private:
  // A live record that must not lose what it refers to.
  struct Holder {
    CollectionPtr collection;
    int64_t row = 0;
    std::string id;
    // The place in victims_ of what it refers to.
    size_t victim = 0;
  };

  DeletePlan(WriteTransaction& transaction, const Catalog& catalog, bool hides,
             int64_t max_rows)
      : transaction_(transaction),
        catalog_(catalog),
        hides_(hides),
        max_rows_(max_rows) {}

  void AddVictim(const CollectionPtr& collection, int64_t row, std::string id);
  absl::Status Follow(size_t victim, const Referrer& referrer);
  void Meet(const CollectionPtr& collection, const StoredRecord& child,
            const Referrer& referrer, size_t victim);
  bool IsVictim(const CollectionPtr& collection, int64_t row) const {
    return met_.contains({collection->id, row});
  }
  absl::Status CheckHolders() const;
  absl::Status CheckSize() const;
  void DropClearedVictims();

  WriteTransaction& transaction_;
  const Catalog& catalog_;
  const bool hides_;
  const int64_t max_rows_;
  size_t asked_ = 0;
  std::vector<Victim> victims_;
  std::vector<ClearedRef> cleared_;
  std::vector<Holder> holders_;
  // Collection and row of every victim.
  absl::flat_hash_set<std::pair<int64_t, int64_t>> met_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_DELETE_PLAN_H_
