#ifndef ENGRAM_LIBS_SCHEMA_YAML_LITERAL_H_
#define ENGRAM_LIBS_SCHEMA_YAML_LITERAL_H_

#include "absl/status/statusor.h"
#include "libs/schema/field_value.h"
#include "libs/schema/yaml_tree.h"

namespace engram::schema {

// Returns the value of `type` that a schema writes as `node`, such as a
// default. The type says how a scalar is read: `1.10` is text for a string, a
// number for a double. Null and what does not fit the type are
// `InvalidArgument`, the message a clause such as `wants an int; got the string
// "x"`.
absl::StatusOr<FieldValue> DecodeYaml(FieldType type, const YamlNode& node);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_YAML_LITERAL_H_
