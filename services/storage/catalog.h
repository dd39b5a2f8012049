// What a database's collections are, compiled for reading and writing.

#ifndef ENGRAM_SERVICES_STORAGE_CATALOG_H_
#define ENGRAM_SERVICES_STORAGE_CATALOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/schema/collection_spec.h"
#include "libs/sqlite/connection.h"

namespace engram::storage {

// Bits of a vector's key that number the chunk: `_key` = row * 4096 + chunk, so
// that a record's chunks lie together. Stored. Never change.
inline constexpr int kMaxChunks = 4096;
inline int64_t VectorKey(int64_t row, int64_t chunk) {
  return row * kMaxChunks + chunk;
}

// The vectors of one vector field made by one model, in a table of their own.
struct Generation {
  int64_t id = 0;
  std::string model;
  std::string fingerprint;
  int dimensions = 0;

  // SQL over _vectors_<id>; parameters in the order of the names.
  std::string create_table;
  // First key, last key.
  std::string remove;
  // Key, content hash, sequence, vector.
  std::string insert;
  // Key: content hash.
  std::string select_hash;
  // First key, last key: sequence, vector, in the order of the chunks.
  std::string select;
  // How many pending records have outdated vectors.
  std::string count_outdated;
};

// A declared embedding of some source fields.
struct VectorField {
  std::string name;
  schema::Metric metric = schema::Metric::kCosine;
  // Places in CollectionSpec::fields, in the order in which texts are joined.
  std::vector<int> sources;
  // The generation that serves.
  Generation generation;
  // Row: id, then the source fields.
  std::string select_sources;
};

// A key that no two records share.
struct UniqueKey {
  // Places in CollectionSpec::fields.
  std::vector<int> fields;
  // The key's values: _row, _version, id, then Collection::read_back.
  std::string select;
};

// One collection. Never changes once made.
struct Collection {
  int64_t id = 0;
  schema::CollectionSpec spec;
  // The document that declared it.
  std::string yaml;
  int64_t created_us = 0;
  std::vector<VectorField> vectors;
  std::vector<UniqueKey> unique_keys;

  // The fields that an update reads back, because a vector or a unique key is
  // made of them: places in CollectionSpec::fields.
  std::vector<int> read_back;

  // SQL over the collection's table; parameters in the order of the names.
  // Id: _row, _version, id, then `read_back`.
  std::string select_by_id;
  // Id, created, updated, sequence, then every field.
  std::string insert;
  // Row.
  std::string remove;
  // Row: id.
  std::string select_id;
  // After row: _row, id, _sequence, in the order of _row.
  std::string scan;

  const std::string& name() const { return spec.name; }
};

using CollectionPtr = std::shared_ptr<const Collection>;

// The part of a generation that a schema does not say.
struct ResolvedModel {
  std::string name;
  std::string fingerprint;
  int dimensions = 0;
};

// Fills in what follows from id, spec and generations: places and SQL.
void CompileCollection(Collection& collection);

// Reads every collection of the file, by id.
absl::StatusOr<std::vector<CollectionPtr>> ReadCollections(
    sqlite::Connection& connection);

// The collection as the API describes it.
v1::Collection ToProto(const Collection& collection);

// The collections of one database, as of its newest commit. Thread-safe.
class Catalog {
 public:
  void Publish(CollectionPtr collection);

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
  std::map<std::string, CollectionPtr, std::less<>> by_name_
      ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, CollectionPtr> by_id_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, CollectionPtr> by_generation_ ABSL_GUARDED_BY(mutex_);
};

// The vector field that a generation belongs to, which `collection` has.
const VectorField& FieldOfGeneration(const Collection& collection,
                                     int64_t generation);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CATALOG_H_
