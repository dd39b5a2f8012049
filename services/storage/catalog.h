// What a database's collections are, compiled for reading and writing.

#ifndef ENGRAM_SERVICES_STORAGE_CATALOG_H_
#define ENGRAM_SERVICES_STORAGE_CATALOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/filter/filter.h"
#include "libs/schema/collection_spec.h"
#include "libs/schema/typed_codec.h"
#include "libs/sqlite/connection.h"

namespace engram::storage {

// Bits of a vector's key that number the chunk: `_key` = row * 4096 + chunk, so
// that a record's chunks lie together. Stored. Never change.
inline constexpr int kMaxChunks = 4096;
inline int64_t VectorKey(int64_t row, int64_t chunk) {
  return row * kMaxChunks + chunk;
}

// The vectors of one vector field made in one way, in a table of their own.
struct Generation {
  int64_t id = 0;
  std::string model;
  std::string fingerprint;
  int dimensions = 0;
  // How they are made, by the present names of the sources: what the schema
  // declares, or what it declared once.
  schema::VectorFieldSpec spec;
  // Whether it is what the schema declares now, and whether queries are
  // answered from it: one of a field's generations each.
  bool declared = true;
  bool serves = true;
  // Whether it is to serve once it is complete, if its `cutover` is auto.
  bool awaits_cutover = false;
  // When it stopped serving.
  std::optional<int64_t> retired_us;

  // Whether texts are cut into chunks: the table then holds what each chunk is,
  // text hash, begin and end, beside what every one has.
  bool chunked = false;
  // Places in CollectionSpec::fields, in the order in which texts are joined;
  // none if the vectors are supplied.
  std::vector<int> sources;

  // SQL over the collection's table. Row: id, then the source fields.
  std::string select_sources;
  // After row, last row, now: _row, then the source fields, of the records that
  // can be seen, in the order of _row.
  std::string scan_sources;
  // After row, last row, now: how many these are.
  std::string count_sources;

  // SQL over _vectors_<id>; parameters in the order of the names.
  std::string create_table;
  // First key, last key.
  std::string remove;
  // Key, content hash, sequence, vector; and what the chunk is.
  std::string insert;
  // Key: content hash.
  std::string select_hash;
  // First key, last key: sequence, vector, and begin and end if chunked, in the
  // order of the chunks.
  std::string select;
  // First key: key, sequence, vector, and begin and end if chunked, in the
  // order of the keys.
  std::string scan;
  // First key, last key: text hash, that of the whole text if it is not
  // chunked, and vector; in the order of the chunks.
  std::string select_text_hashes;
  std::string select_texts;
  // How many pending records have outdated vectors.
  std::string count_outdated;
  // Last row: how many pending records up to there have no vectors.
  std::string count_waiting;

  bool supplied() const { return spec.supplied; }
};

// A chunk's place in its text, in bytes.
struct ChunkRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// A declared embedding of some source fields, or vectors that clients bring.
// While its model changes it has several generations side by side, all of them
// kept up to date with the records.
struct VectorField {
  std::string name;
  // The one that serves first, then by id.
  std::vector<Generation> generations;

  const Generation& serving() const { return generations.front(); }
  // The one that the schema declares.
  const Generation& declared() const;
  // Null if it has none of this number.
  const Generation* Find(int64_t generation) const;
  // Whether clients bring the vectors; then there is one generation.
  bool supplied() const { return serving().supplied(); }
};

// A key that no two records share.
struct UniqueKey {
  // Places in CollectionSpec::fields.
  std::vector<int> fields;
  // The key's values: Collection::columns.
  std::string select;
};

// A ref field that names records of a collection.
struct Referrer {
  // The collection that has the field.
  int64_t collection = 0;
  std::string name;
  // The field's place there.
  int field = 0;
  schema::OnDelete on_delete = schema::OnDelete::kRestrict;
  // Id of the target: Collection::columns of that collection, the deleted ones
  // included, in the order of _row.
  std::string select;
};

// The elements of a strings field that is indexed, in a table of their own: of
// deleted records that are kept too, as purges look for them.
struct ElementTable {
  // The field's place.
  int field = 0;
  // SQL; parameters in the order of the names.
  // Value, row. Does nothing if it is there.
  std::string insert;
  std::string remove;
  // Value: the rows, for filter::SqlNames::rows_with_element.
  std::string select_rows;
};

// The full-text index over a collection's table: FTS5 with external content.
struct TextIndex {
  // Places of the fields, in the order of its columns.
  std::vector<int> fields;
  // Row, then the fields' values. Both; a removal needs the old values.
  std::string insert;
  std::string remove;
};

// One collection. Never changes once made; a schema change makes new ones of
// all collections.
struct Collection {
  int64_t id = 0;
  schema::CollectionSpec spec;
  // The document that declared it.
  std::string yaml;
  int64_t created_us = 0;
  // The schema that it is a part of: the newest migration's number.
  int64_t schema_version = 0;
  // The fields' permanent numbers, by place, for typed bodies and for stored
  // versions.
  schema::TypedLayout typed;
  std::vector<VectorField> vectors;
  std::vector<UniqueKey> unique_keys;
  std::vector<ElementTable> elements;
  std::optional<TextIndex> text_index;
  // The refs that name this collection's records.
  std::vector<Referrer> referrers;
  // The place of `value` where the collection can be a cache
  // (cache_collection.h), so that its bytes are counted; else -1.
  int cache_value = -1;

  // Of the spec's expressions, parsed.
  std::vector<filter::Node> checks;
  // By place; set where the merge rule is an expression.
  std::vector<std::optional<filter::Node>> merges;
  // Places of those of them that do not use what is sent for the field: every
  // upsert of an existing record computes them, whether it sends the field or
  // not.
  std::vector<int> standing_merges;
  // By place; set where the field is generated.
  std::vector<std::optional<filter::Node>> generated;
  // One for each rollup of the spec; unset where it has no condition.
  std::vector<std::optional<filter::Node>> rollup_conditions;
  // One for each TouchSpec::Set.
  std::vector<filter::Node> touches;
  // Places of the fields that search holds; see schema::HeldFields.
  std::vector<int> held;

  // The columns that a whole record is read by (ReadStoredRecord), as SQL:
  // _row, id, _version, _created_us, _updated_us, _sequence, _expires_us (NULL
  // where the collection does not expire), _deleted_us (NULL where it does not
  // keep deleted records), then every field in the order of the schema.
  std::string columns;
  // SQL over the collection's table; parameters in the order of the names.
  // Id: `columns`.
  std::string select_by_id;
  // See SelectByIdSql.
  std::string select_seen_by_id;
  // The same; ?3 is the row.
  std::string select_seen_by_id_and_row;
  // Row: `columns`.
  std::string select_by_row;
  // Id, version, created, updated, sequence, then expires and deleted where the
  // collection has those columns, then every field that is not generated. Does
  // nothing if the id is taken.
  std::string insert;
  // Row.
  std::string remove;
  // Row: id.
  std::string select_id;
  // After row, last row: _row, id, _sequence, expires (NULL where there is
  // none, or it slides), in the order of _row, without what is deleted. Then,
  // where search holds fields, _created_us, _updated_us and `held`
  // (record_attributes.h).
  std::string scan;
  // Row: _sequence, _created_us, _updated_us and `held`, unless it is deleted.
  std::string select_attributes;
  // The same: `columns`.
  std::string scan_records;
  // The last row there was.
  std::string select_last_row;

  const std::string& name() const { return spec.name; }
  bool expires() const { return spec.expire.has_value(); }
  bool keeps_deleted() const { return spec.soft_delete.has_value(); }
};

using CollectionPtr = std::shared_ptr<const Collection>;

// Fills in what follows from id, spec, numbers and generations: places, parsed
// expressions and SQL; all but the referrers.
void CompileCollection(Collection& collection);

// Reads every collection of the file, by id, their referrers among them.
absl::StatusOr<std::vector<CollectionPtr>> ReadCollections(
    sqlite::Connection& connection);

// The field's type as schemas write it, such as `int`, or `ref(sessions)`.
std::string TypeText(const schema::FieldSpec& field);

// The collection as the API describes it.
v1::Collection ToProto(const Collection& collection);

// The collections of one database, as of its newest commit. Thread-safe.
class Catalog {
 public:
  // Replaces all there were. `schema_version` is theirs; it says more than they
  // do where there are none.
  void Publish(const std::vector<CollectionPtr>& collections,
               int64_t schema_version);
  // The same for collections that there are.
  void Publish(const std::vector<CollectionPtr>& collections);

  // Of those published last; a write that was checked against another one must
  // be checked again.
  int64_t schema_version() const;

  // Null if there is none.
  CollectionPtr Find(absl::string_view name) const;
  CollectionPtr FindById(int64_t id) const;
  // The collection that has the generation.
  CollectionPtr FindByGeneration(int64_t generation) const;
  // By name.
  std::vector<CollectionPtr> List() const;

  // `NotFound` with the reason if `database` has no collection of this name.
  absl::StatusOr<CollectionPtr> Get(absl::string_view database,
                                    absl::string_view name) const;

 private:
  mutable absl::Mutex mutex_;
  int64_t schema_version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, CollectionPtr, std::less<>> by_name_
      ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, CollectionPtr> by_id_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, CollectionPtr> by_generation_ ABSL_GUARDED_BY(mutex_);
};

// `NotFound`, reason `COLLECTION_UNKNOWN`.
absl::Status CollectionUnknown(absl::string_view database,
                               absl::string_view collection);

// Null if `collection` has no such generation any more.
const Generation* FindGeneration(const Collection& collection,
                                 int64_t generation);
// The same, of one that has it.
const Generation& GetGeneration(const Collection& collection,
                                int64_t generation);

// Calls `visit` with each generation of each vector field of `collection`; ends
// with the first error.
template <typename Visit>
absl::Status ForEachGeneration(const Collection& collection, Visit visit) {
  for (const VectorField& field : collection.vectors) {
    for (const Generation& generation : field.generations) {
      const absl::Status status = visit(generation);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// Gives the fields of collections that have none permanent numbers, in the
// order of their documents, and begins the history of a file that has none:
// files from before both. Within the transaction that is open.
absl::Status NumberFields(sqlite::Connection& connection, int64_t now_us);

// The newest migration's number; 0 if there is none.
absl::StatusOr<int64_t> ReadSchemaVersion(sqlite::Connection& connection);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CATALOG_H_
