// A collection's table, as SQL: all text that depends on how a collection is
// laid out in SQLite is made here.

#ifndef ENGRAM_SERVICES_STORAGE_COLLECTION_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_COLLECTION_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/schema/collection_spec.h"

namespace engram::storage {

// `name` in double quotes, so that keywords of SQL may name collections and
// fields.
std::string QuoteIdentifier(absl::string_view name);

// The type of the column that holds the field.
absl::string_view ColumnType(schema::FieldType type);

// When a record expires, and when one was deleted that is kept: columns of
// collections that declare it.
inline constexpr absl::string_view kExpiresColumn = "_expires_us INTEGER";
inline constexpr absl::string_view kDeletedColumn = "_deleted_us INTEGER";

// The field's column as CREATE TABLE and ADD COLUMN have it.
std::string ColumnDefinition(const schema::CollectionSpec& spec,
                             const schema::FieldSpec& field);

// Creates the collection's table under the name `table`. What may be large
// comes last, so that a read of the rest touches none of its pages: columns are
// read and written by name. Fields that a schema adds later stand behind it
// until the table is rebuilt.
//
// Fields are columns that may be NULL even where the field is required: the
// writer checks `required`, `one_of`, `min` and the like, so that a schema can
// loosen or tighten them without the table being rebuilt. What only SQLite can
// promise, types, refs and unique keys, is in the file.
std::string CreateTableSql(const schema::CollectionSpec& spec,
                           absl::string_view table);

// What SQLite keeps for a collection beside its table.
struct SideObject {
  enum class Kind { kIndex, kUniqueIndex, kElements, kText };

  Kind kind = Kind::kIndex;
  // Without quotes. Two objects of one name and the same `create` are the same.
  std::string name;
  // What it is, for people: `index on title`.
  std::string summary;
  std::string create;
  std::string drop;
  // Fills it from the table; empty for indexes, which SQLite fills itself.
  std::string fill;
  // Of a unique index: counts the records that keep it from being built, and
  // names one.
  std::string find_duplicates;
  // Places of the fields that it is made of, where it has a table of its own.
  std::vector<int> places;

  // Goes with the table when that is dropped.
  bool belongs_to_table() const {
    return kind == Kind::kIndex || kind == Kind::kUniqueIndex;
  }
};

// All that the collection needs. `numbers` are its fields' permanent ones, by
// place.
std::vector<SideObject> SideObjects(int64_t collection,
                                    const schema::CollectionSpec& spec,
                                    absl::Span<const int> numbers);

// The column, qualified by `table` if that is not empty, of what
// schema::RecordScope calls `place`.
std::string PlaceColumn(const schema::CollectionSpec& spec,
                        absl::string_view table, int place);

// The names of the tables of a strings field's elements, and of full text.
std::string ElementTableName(int64_t collection, int number);
std::string TextTableName(int64_t collection);

// The tokenizer of full text, as FTS5's `tokenize` has it.
std::string Fts5TokenizerName(const schema::FullTextSpec& text);

// The field's term in the unique index of a key. Where no value counts as one
// value, a constant stands for it, of a type that the column cannot hold. A
// lookup by a unique key is `<term> = <bound value>` for each of its fields,
// with the bound value wrapped by UniqueKeyParameter, and LiveRecords, else
// SQLite does not use the index.
std::string UniqueKeyTerm(const schema::FieldSpec& field,
                          schema::Missing missing);

// A `?` whose NULL is turned into the same constant; where missing values are
// distinct it stays NULL, to which nothing is equal.
std::string UniqueKeyParameter(const schema::FieldSpec& field,
                               schema::Missing missing);

// The condition that leaves out deleted records that are kept, after `before`,
// such as ` AND `; empty where the collection keeps none.
std::string LiveRecords(const schema::CollectionSpec& spec,
                        absl::string_view before);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_COLLECTION_TABLE_H_
