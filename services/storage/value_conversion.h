// Values that change their type with a schema.

#ifndef ENGRAM_SERVICES_STORAGE_VALUE_CONVERSION_H_
#define ENGRAM_SERVICES_STORAGE_VALUE_CONVERSION_H_

#include "absl/status/statusor.h"
#include "libs/schema/field_value.h"

namespace engram::storage {

enum class Conversion {
  // Every value is one of the new type as it is.
  kNone,
  // ConvertValue; some values may have no counterpart.
  kEachValue,
  // There is none.
  kImpossible,
};

Conversion ConversionBetween(schema::FieldType from, schema::FieldType to);

// Returns the value of type `to` that says the same as `value`, of type `from`.
// `InvalidArgument` if there is none: `"x"` is no int.
absl::StatusOr<schema::FieldValue> ConvertValue(
    schema::FieldType from, schema::FieldType to,
    const schema::FieldValue& value);

// Whether a field keeps its permanent number: typed bodies of both types look
// the same.
bool AreWireCompatible(schema::FieldType a, schema::FieldType b);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VALUE_CONVERSION_H_
