#include "services/storage/record_attributes.h"

#include <string>

#include "absl/types/span.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/status_macros.h"
#include "services/storage/column_io.h"

namespace engram::storage {

using ::google::protobuf::util::TimeUtil;

void EncodeAttributes(const Collection& collection,
                      const sqlite::Statement& row, int column,
                      v1::Attributes* attributes) {
  *attributes->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(row.Int(column++));
  *attributes->mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(row.Int(column++));
  std::string* const fields = attributes->mutable_fields();
  for (const int& place : collection.held) {
    const schema::FieldView value = ViewColumn(row, column++);
    const size_t size = fields->size();
    // One by one, so that one that cannot be encoded costs only itself.
    if (!schema::EncodeTyped(collection.spec, collection.typed,
                             absl::MakeConstSpan(&place, 1),
                             absl::MakeConstSpan(&value, 1), fields)
             .ok()) {
      fields->resize(size);
    }
  }
}

absl::StatusOr<bool> ReadAttributes(sqlite::Connection& connection,
                                    const Collection& collection, int64_t row,
                                    v1::Attributes* attributes) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(collection.select_attributes));
  select.BindInt(1, row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return false;
  attributes->set_sequence(select.Int(0));
  EncodeAttributes(collection, select, 1, attributes);
  return true;
}

}  // namespace engram::storage
