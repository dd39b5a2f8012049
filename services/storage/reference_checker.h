#ifndef ENGRAM_SERVICES_STORAGE_REFERENCE_CHECKER_H_
#define ENGRAM_SERVICES_STORAGE_REFERENCE_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/storage/catalog.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_store.h"
#include "services/storage/stored_record.h"

namespace engram::storage {

// Verifies that refs name live records, in the state that a batch ends with: so
// a batch may create a child before its parent. SQLite's own foreign keys stand
// behind it, deferred; they know neither the request's fields nor records that
// are deleted but kept.
class ReferenceChecker {
 public:
  // How many refs were noted.
  using Mark = size_t;

  // Both must outlive this object.
  ReferenceChecker(RecordStore& store, const Catalog& catalog)
      : store_(store), catalog_(catalog) {}

  // Notes the refs of `after` that `before`, null if the record is new, did not
  // hold. `item`, what wrote them, must live until Check.
  void Note(const RecordItem& item, const StoredRecord* before,
            const StoredRecord& after);
  // Notes all refs of a record, which may be of another collection than the
  // item's.
  void NoteAll(const RecordItem& item, CollectionPtr collection,
               const StoredRecord& record);

  // Verifies what was noted, and forgets it.
  absl::Status Check(int64_t now_us);

  Mark NewMark() const { return written_.size(); }
  void Rewind(Mark mark) { written_.resize(mark); }

 private:
  // One ref that was written.
  struct Written {
    CollectionPtr collection;
    int64_t row = 0;
    // The field's place.
    int field = 0;
    // The record that it names.
    std::string target;
    const RecordItem* item = nullptr;
  };

  void Add(const RecordItem& item, const CollectionPtr& collection,
           const StoredRecord* before, const StoredRecord& after);
  // Whether the record still holds the ref.
  absl::StatusOr<bool> Holds(const Written& written);

  RecordStore& store_;
  const Catalog& catalog_;
  std::vector<Written> written_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_REFERENCE_CHECKER_H_
