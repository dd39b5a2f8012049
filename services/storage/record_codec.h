// A record's fields between requests (google.protobuf.Struct) and columns.

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
#include "libs/status/errors.h"

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

// Reads the fields that a request sends, in the order of the schema, and checks
// each value against the schema. Mistakes are added to `violations` at `path`
// and the field's name (`items[0].upsert.fields.size`); what is returned then
// is of no use.
std::vector<Assignment> DecodeFields(const schema::CollectionSpec& spec,
                                     const google::protobuf::Struct& fields,
                                     absl::string_view path,
                                     FieldViolations& violations);

// Makes what was sent into a whole new record: adds the defaults of fields that
// were not sent, and a violation for each required field that is left without a
// value. Returns one value for each field of the schema, in its order.
std::vector<ColumnValue> CompleteNewRecord(const schema::CollectionSpec& spec,
                                           std::vector<Assignment> sent,
                                           absl::string_view path,
                                           FieldViolations& violations);

// Writes a column's value as answers carry it; NULL becomes null. `DataLoss` if
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
