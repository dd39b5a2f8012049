// A record's fields as stored beside its table: in old versions, and in the
// images of the change feed.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_BODY_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_BODY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"
#include "services/storage/stored_record.h"

namespace engram::storage {

// Which fields a body holds.
enum class BodyFields {
  // Those that SQLite does not compute.
  kStored,
  kAll,
};

// Appends the body, a message of schema::TypedLayout, to `body`.
absl::Status EncodeBody(const Collection& collection,
                        const StoredRecord& record, BodyFields fields,
                        std::string* body);

// What becomes of a field that cannot be read, because its type is another one
// since the body was written. Most such fields have another number, too, and
// are missing in any case.
enum class UnreadableFields { kRefuse, kLeaveOut };

// A body's values: one for each field of the schema as it is now; what the body
// does not have is missing.
absl::StatusOr<std::vector<ColumnValue>> DecodeBody(
    const Collection& collection, absl::string_view body,
    UnreadableFields unreadable);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_BODY_H_
