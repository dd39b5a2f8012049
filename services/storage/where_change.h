#ifndef ENGRAM_SERVICES_STORAGE_WHERE_CHANGE_H_
#define ENGRAM_SERVICES_STORAGE_WHERE_CHANGE_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/filter/filter.h"
#include "services/storage/catalog.h"
#include "services/storage/record_editor.h"
#include "services/storage/stored_record.h"
#include "services/storage/where_progress.h"
#include "services/storage/where_scan.h"

namespace engram::storage {

// What a call does to each of many records. Used by one thread at a time.
class WhereChange {
 public:
  virtual ~WhereChange() = default;

  // Reads the request; again if the schema changed since. `NotFound` for an
  // unknown collection, `InvalidArgument` with every broken rule.
  virtual absl::Status Prepare(absl::string_view database,
                               const Catalog& catalog) = 0;

  // Changes records that meet the filter, and counts them in `progress`. What
  // the editor keeps hold of lives until the next call.
  virtual absl::Status Apply(RecordEditor& editor,
                             absl::Span<const StoredRecord> records,
                             WhereProgress& progress) = 0;

  // Of the request as prepared.
  const CollectionPtr& collection() const { return collection_; }
  const filter::Node& filter() const { return filter_; }
  Deleted deleted() const { return deleted_; }
  // Collection::schema_version of the time.
  int64_t schema_version() const { return schema_version_; }

 protected:
  CollectionPtr collection_;
  filter::Node filter_;
  Deleted deleted_ = Deleted::kHidden;
  int64_t schema_version_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WHERE_CHANGE_H_
