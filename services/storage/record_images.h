// Images: records as they were before a change, which the change feed tells
// applications. Kept as long as the change is.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_IMAGES_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_IMAGES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"
#include "services/storage/change_log.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Keeps `before`, which the next change of the log replaces or removes. Returns
// how many bytes that takes, to be noted with the change.
absl::StatusOr<int64_t> KeepImage(WriteTransaction& transaction,
                                  const Collection& collection,
                                  const StoredRecord& before);

// Drops every image of every record that had the id.
absl::Status ForgetImages(WriteTransaction& transaction,
                          const Collection& collection, absl::string_view id);

// Drops the images of the changes up to `last`.
absl::Status PruneImages(sqlite::Connection& connection, int64_t last);

// A record as it was.
struct RecordImage {
  // All but the values.
  StoredRecord record;
  // The values; see record_body.h.
  std::string body;
};

// Reads the record of `change` as it was right before it. False if the change
// created it, or if its images are forgotten.
absl::StatusOr<bool> FindImageBefore(sqlite::Connection& connection,
                                     const Change& change, RecordImage* image);
// The same as it was right after. False if it has not changed since, too.
absl::StatusOr<bool> FindImageAfter(sqlite::Connection& connection,
                                    const Change& change, RecordImage* image);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_IMAGES_H_
