// Records as people and programs read them.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_RECORD_VIEW_H_
#define ENGRAM_TOOLS_ENGRAMCTL_RECORD_VIEW_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/catalog.pb.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/schema/collection_spec.h"
#include "tools/engramctl/context.h"
#include "tools/engramctl/json_object.h"

namespace engram::engramctl {

// A collection, from storage.
absl::StatusOr<storage::v1::Collection> FetchCollection(
    Context& context, const std::string& collection);

// Its schema.
absl::StatusOr<schema::CollectionSpec> FetchSchema(
    Context& context, const std::string& collection);

// "a, b,c" as {"a", "b", "c"}.
std::vector<std::string> SplitNames(absl::string_view names);

JsonObject RecordAsJson(const storage::v1::Record& record);

// A value for a table's cell: text as it is, the rest as JSON; empty if the
// record has no such field.
std::string FieldText(const storage::v1::Record& record,
                      const std::string& field);

std::string TimestampText(const google::protobuf::Timestamp& timestamp);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_RECORD_VIEW_H_
