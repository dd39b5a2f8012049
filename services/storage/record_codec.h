// A record's fields between columns and answers (google.protobuf.Struct).

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_CODEC_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_CODEC_H_

#include "absl/status/status.h"
#include "google/protobuf/struct.pb.h"
#include "libs/schema/collection_spec.h"

namespace engram::storage {

using Blob = schema::Blob;
// What a column holds; `monostate` is NULL. See schema::FieldType for what each
// type is held as.
using ColumnValue = schema::FieldValue;

// Gives one field of a record a value; `monostate` clears it.
struct Assignment {
  // The field's place in CollectionSpec::fields.
  int field = 0;
  ColumnValue value;

  friend bool operator==(const Assignment&, const Assignment&) = default;
};

// Writes a column's value as answers carry it; NULL becomes null, and an int
// declared `render: string` a string. `DataLoss` if the column holds what the
// field's type cannot be, or JSON that is none.
absl::Status EncodeField(const schema::FieldSpec& field,
                         const ColumnValue& value,
                         google::protobuf::Value* out);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_CODEC_H_
