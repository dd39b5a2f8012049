#ifndef ENGRAM_SERVICES_STORAGE_WHERE_UPDATE_H_
#define ENGRAM_SERVICES_STORAGE_WHERE_UPDATE_H_

#include "engram/storage/v1/record.pb.h"
#include "services/storage/where_change.h"

namespace engram::storage {

// Gives fields of each record values that the request says or computes.
class WhereUpdate : public WhereChange {
 public:
  // `request` must outlive this object.
  explicit WhereUpdate(const v1::UpdateWhereRequest& request)
      : request_(request) {}

  absl::Status Prepare(absl::string_view database,
                       const Catalog& catalog) override;
  absl::Status Apply(RecordEditor& editor,
                     absl::Span<const StoredRecord> records,
                     WhereProgress& progress) override;

 private:
  const v1::UpdateWhereRequest& request_;
  // What is done to each record; without an id.
  RecordItem item_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WHERE_UPDATE_H_
