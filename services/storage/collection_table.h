// A collection's table, as SQL: all text that depends on how a collection is
// laid out in SQLite is made here.

#ifndef ENGRAM_SERVICES_STORAGE_COLLECTION_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_COLLECTION_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/schema/collection_spec.h"

namespace engram::storage {

// `name` in double quotes, so that keywords of SQL may name collections and
// fields.
std::string QuoteIdentifier(absl::string_view name);

// The type of the column that holds the field.
absl::string_view ColumnType(schema::FieldType type);

// The statements, in order, that create the collection's table and indexes.
//
// Fields are columns that may be NULL even where the field is required: the
// writer checks `required`, `one_of`, `min` and the like, so that a schema can
// loosen or tighten them without the table being rebuilt. What only SQLite can
// promise, types and unique keys, is in the table.
std::vector<std::string> CreateTableSql(const schema::CollectionSpec& spec);

// The field's term in its unique indexes: no value counts as one value, for
// which stands a constant of a type that the column cannot hold. A lookup by a
// unique key is `<term> = <bound value>` for each of its fields, with the bound
// value wrapped by UniqueKeyParameter, else SQLite does not use the index.
std::string UniqueKeyTerm(const schema::FieldSpec& field);

// A `?` whose NULL is turned into the same constant.
std::string UniqueKeyParameter(const schema::FieldSpec& field);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_COLLECTION_TABLE_H_
