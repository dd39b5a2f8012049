// Old versions of records, in collections that keep a history.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_HISTORY_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_HISTORY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"
#include "services/storage/stored_record.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What ended a version. Stored. Never renumber.
enum class VersionEnd { kChange = 0, kDelete = 1 };

// Keeps `record`, which is about to change or go, and drops those of its
// versions that are too many. Nothing where the collection keeps no history.
absl::Status KeepVersion(WriteTransaction& transaction,
                         const Collection& collection,
                         const StoredRecord& record, VersionEnd end);

// An old version of a record.
struct OldVersion {
  // One for each field of the schema as it is now; what the version did not
  // have is missing.
  std::vector<ColumnValue> values;
  int64_t created_us = 0;
  // The newest version kept of this id.
  int64_t newest = 0;
};

// Reads version `version` of the record that has, or last had, the id.
absl::StatusOr<std::optional<OldVersion>> FindOldVersion(
    WriteTransaction& transaction, const Collection& collection,
    absl::string_view id, int64_t version);

// Names a version. Of records that had one id one after the other the later has
// the larger row.
struct VersionKey {
  int64_t row = 0;
  int64_t version = 0;
  friend auto operator<=>(const VersionKey&, const VersionKey&) = default;
};

// The versions that are kept of the id, newest first, at most `limit`; only
// those older than `before` if that is given.
absl::StatusOr<std::vector<VersionKey>> FindVersions(
    sqlite::Connection& connection, const Collection& collection,
    absl::string_view id, std::optional<VersionKey> before, int limit);

// A version that is kept. Its record's values are those that fields of the
// schema as it is now can hold; others are missing, as is when it expired.
struct KeptVersion {
  StoredRecord record;
  int64_t ended_us = 0;
  VersionEnd end = VersionEnd::kChange;
};

// Reads a version that FindVersions found.
absl::StatusOr<KeptVersion> ReadVersion(sqlite::Connection& connection,
                                        const Collection& collection,
                                        VersionKey key);

// Drops every version of every record that had the id.
absl::Status ForgetVersions(WriteTransaction& transaction,
                            const Collection& collection, absl::string_view id);

// Drops versions that ended before `oldest_us`, at most `limit`; returns how
// many.
absl::StatusOr<int64_t> PruneVersions(WriteTransaction& transaction,
                                      const Collection& collection,
                                      int64_t oldest_us, int limit);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_HISTORY_H_
