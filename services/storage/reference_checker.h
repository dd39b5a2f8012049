#ifndef ENGRAM_SERVICES_STORAGE_REFERENCE_CHECKER_H_
#define ENGRAM_SERVICES_STORAGE_REFERENCE_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"
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
  // hold. `path` is where the fields are in the request.
  void Note(const Collection& collection, const StoredRecord* before,
            const StoredRecord& after, absl::string_view path);

  // Verifies what was noted, and forgets it.
  absl::Status Check(int64_t now_us);

  Mark NewMark() const { return written_.size(); }
  void Rewind(Mark mark) { written_.resize(mark); }

 private:
  // One ref that was written.
  struct Written {
    int64_t collection = 0;
    int64_t row = 0;
    // The field's place.
    int field = 0;
    // The record that it names.
    std::string target;
    // Of the fields in the request.
    std::string path;
  };

  absl::Status Missing(const Collection& collection, const Written& written);

  RecordStore& store_;
  const Catalog& catalog_;
  std::vector<Written> written_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_REFERENCE_CHECKER_H_
