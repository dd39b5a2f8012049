#ifndef ENGRAM_LIBS_SCHEMA_FIELD_READER_H_
#define ENGRAM_LIBS_SCHEMA_FIELD_READER_H_

#include "libs/schema/document_reader.h"
#include "libs/schema/yaml_tree.h"

namespace engram::schema {

// Reads `fields` of the document's root, and the root's `merge`, which is the
// default of theirs, into document.spec.
void ReadFields(const YamlNode& root, DocumentReader& document);

// Types whose values are one plain column value, equal exactly when the
// column's are, so that a key or an index can hold them. JSON is not: 1 and 1.0
// are one number; and a list is many values.
bool IsKeyType(FieldType type);

// Whether the type is text in UTF-8 that people read: string or text.
bool IsTextType(FieldType type);

// What is wrong with an attribute that wants to set the field by itself: a
// clause such as `is generated`, empty if nothing is.
absl::string_view WhyComputed(const FieldSpec& field);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_FIELD_READER_H_
