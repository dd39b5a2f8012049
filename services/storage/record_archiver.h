#ifndef ENGRAM_SERVICES_STORAGE_RECORD_ARCHIVER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_ARCHIVER_H_

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"
#include "services/storage/record_editor.h"
#include "services/storage/stored_record.h"

namespace engram::storage {

// Copies records of one collection into another: the same id, fields by name.
// A copy takes the place of an earlier one. What the archive computes itself
// (generated, extracted, kept by roll-ups) and vectors are not copied.
class RecordArchiver {
 public:
  // Adds violations at `path` if the archive cannot take every record: it lacks
  // a field, has one of another type, or would number its records.
  RecordArchiver(const CollectionPtr& from, const CollectionPtr& archive,
                 const Catalog& catalog, absl::string_view path,
                 FieldViolations& violations);

  // Forgets the copies of an earlier write.
  void Begin() { items_.clear(); }

  // Writes a copy; this object must live until the editor's Finish.
  // `InvalidArgument` if it breaks a rule of the archive.
  absl::Status Copy(RecordEditor& editor, const StoredRecord& record);

 private:
  void MapFields(const Collection& from, FieldViolations& violations);
  absl::Status Write(RecordEditor& editor, const RecordItem& item);

  const CollectionPtr archive_;
  const std::string path_;
  // Places of fields of the archive, ascending, and where they come from.
  std::vector<std::pair<int, int>> places_;
  // Of the archive's fields that roll-ups keep.
  std::vector<int> kept_;
  // What the editor holds until the end of the write.
  std::deque<RecordItem> items_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_ARCHIVER_H_
