// Typed bodies: a record's fields as one protobuf message, with a number for
// each field that is its own for good. What a compiled client sends and gets,
// and how old versions of a record are stored.
//
// Kinds: string, text, ref: string; int: int64; double; bool; bytes; timestamp:
// google.protobuf.Timestamp; json: string, JSON text; strings: a message whose
// field 1 is repeated string. Every field is optional: one that is not on the
// wire is not sent.

#ifndef ENGRAM_LIBS_SCHEMA_TYPED_CODEC_H_
#define ENGRAM_LIBS_SCHEMA_TYPED_CODEC_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/schema/collection_spec.h"
#include "libs/schema/field_value.h"

namespace engram::schema {

// A field that there was once, whose number and name no other may take.
struct DroppedField {
  int number = 0;
  std::string name;
  friend bool operator==(const DroppedField&, const DroppedField&) = default;
};

// Which numbers a collection's fields have.
struct TypedLayout {
  // By the field's place in CollectionSpec::fields; from 1.
  std::vector<int> numbers;
  // By number.
  std::vector<DroppedField> dropped;
  friend bool operator==(const TypedLayout&, const TypedLayout&) = default;
};

// Gets one field of a decoded body: its place, and its value or why that is
// none, a clause that follows the field's name as DecodeValue's is.
using TypedField =
    absl::FunctionRef<void(int place, absl::StatusOr<FieldValue> value)>;

// Reads a body; calls `field` for each one that it holds, a repeated one once
// for each time, as the last of them counts. Numbers of dropped fields are
// skipped. `InvalidArgument`, a clause that follows the body's name, if the
// bytes are no message or have a number that no field ever had.
absl::Status DecodeTyped(const CollectionSpec& spec, const TypedLayout& layout,
                         absl::string_view bytes, TypedField field);

// Appends the fields at `places` to `bytes`; `values` are theirs, in the same
// order, and one that is `monostate` is left out. Numbers ascend if the places'
// numbers do. `DataLoss` as EncodeValue.
absl::Status EncodeTyped(const CollectionSpec& spec, const TypedLayout& layout,
                         absl::Span<const int> places,
                         absl::Span<const FieldValue> values,
                         std::string* bytes);
absl::Status EncodeTyped(const CollectionSpec& spec, const TypedLayout& layout,
                         absl::Span<const int> places,
                         absl::Span<const FieldView> values,
                         std::string* bytes);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_TYPED_CODEC_H_
