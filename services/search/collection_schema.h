#ifndef ENGRAM_SERVICES_SEARCH_COLLECTION_SCHEMA_H_
#define ENGRAM_SERVICES_SEARCH_COLLECTION_SCHEMA_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/schema/collection_spec.h"
#include "libs/schema/typed_codec.h"

namespace engram::search {

// A collection's schema as filters need it. Never changes once made.
struct CollectionSchema {
  schema::CollectionSpec spec;
  // The fields' permanent numbers, by place.
  schema::TypedLayout layout;
  // Places of the fields that search holds (schema::HeldFields), ascending.
  std::vector<int> held;

  // Whether search holds anything of the collection's records.
  bool holds_attributes() const { return !held.empty(); }
};

// Reads the schema that the feed tells of. `InvalidArgument` if it cannot be
// read: it is of a newer storage.
absl::StatusOr<std::shared_ptr<const CollectionSchema>> ReadSchema(
    const storage::v1::Collection& collection);

// Whether the values of the field at `place` are sure to be the same after a
// change of schema as they were before it, at `place_before`: a new default or
// type, for one, may have changed those of every record.
bool KeepsValues(const CollectionSchema& before, int place_before,
                 const CollectionSchema& after, int place);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_COLLECTION_SCHEMA_H_
