// Images: records as they were before a change, which the change feed tells
// applications. Kept as long as the change is.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_IMAGES_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_IMAGES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"
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

// Drops the images of the changes after `sequence` up to `last`, which must
// still be in the log.
absl::Status PruneImages(sqlite::Connection& connection, int64_t sequence,
                         int64_t last);

// The record, an engram.storage.v1.Record with a typed body and no id, as it
// was right before the change `sequence`; nothing if it was created, or is
// forgotten.
absl::StatusOr<std::optional<std::string>> FindImageBefore(
    sqlite::Connection& connection, int64_t collection, absl::string_view id,
    int64_t sequence);
// The same as it was right after the change; nothing if it has not changed
// since, or is forgotten.
absl::StatusOr<std::optional<std::string>> FindImageAfter(
    sqlite::Connection& connection, int64_t collection, absl::string_view id,
    int64_t sequence);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_IMAGES_H_
