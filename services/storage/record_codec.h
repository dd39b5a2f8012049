// A record's fields between columns and answers (google.protobuf.Struct).

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_CODEC_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_CODEC_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
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
// declared `render: string` a string. `DataLoss` if
// the column holds what the field's type cannot be, or JSON that is none.
absl::Status EncodeField(const schema::FieldSpec& field,
                         const ColumnValue& value,
                         google::protobuf::Value* out);

// The text to embed: the given values, those of the source fields in order,
// joined by newlines. NULL and text of nothing but white space are left out;
// nothing is returned if no text remains.
std::optional<std::string> SourceText(absl::Span<const ColumnValue> sources);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_CODEC_H_
