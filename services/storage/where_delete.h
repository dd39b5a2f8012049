#ifndef ENGRAM_SERVICES_STORAGE_WHERE_DELETE_H_
#define ENGRAM_SERVICES_STORAGE_WHERE_DELETE_H_

#include <memory>
#include <vector>

#include "engram/storage/v1/record.pb.h"
#include "services/storage/record_archiver.h"
#include "services/storage/where_change.h"

namespace engram::storage {

// Deletes each record, and archives it first if the request says so.
class WhereDelete : public WhereChange {
 public:
  // `request` must outlive this object.
  explicit WhereDelete(const v1::DeleteWhereRequest& request)
      : request_(request) {}

  absl::Status Prepare(absl::string_view database,
                       const Catalog& catalog) override;
  absl::Status Apply(RecordEditor& editor,
                     absl::Span<const StoredRecord> records,
                     WhereProgress& progress) override;

 private:
  // Deletes what can be; what refs keep is counted as skipped.
  absl::Status DeleteUnreferenced(RecordEditor& editor,
                                  absl::Span<const StoredRecord> records,
                                  WhereProgress& progress);
  absl::Status Delete(RecordEditor& editor,
                      absl::Span<const StoredRecord> records,
                      WhereProgress& progress);

  const v1::DeleteWhereRequest& request_;
  // Null without an archive.
  std::unique_ptr<RecordArchiver> archiver_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WHERE_DELETE_H_
