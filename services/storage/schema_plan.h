// What a schema should become, and how it gets there: plain data.

#ifndef ENGRAM_SERVICES_STORAGE_SCHEMA_PLAN_H_
#define ENGRAM_SERVICES_STORAGE_SCHEMA_PLAN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/schema/collection_spec.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// A schema document, read.
struct DeclaredCollection {
  // Where it is in the request, such as `documents[2]`, for violations.
  std::string path;
  schema::CollectionSpec spec;
  std::string yaml;
  // Of an older schema: the collection and its fields' permanent numbers, by
  // place, as they were; else 0 and none.
  int64_t collection = 0;
  std::vector<int> numbers;
};

// The schema that is wanted.
struct SchemaGoal {
  std::vector<DeclaredCollection> declared;
  // Drops every collection that is not declared.
  bool prune = false;
};

// The schema that there is.
struct SchemaState {
  // The newest migration's number.
  int64_t version = 0;
  // By id.
  std::vector<CollectionPtr> collections;
  // How many records each has, by its id.
  std::map<int64_t, int64_t> records;
  // The ids that come next.
  int64_t next_collection = 1;
  int64_t next_generation = 1;
};

// One collection that changes.
struct CollectionChange {
  // Null if it is created.
  CollectionPtr before;
  // Null if it is dropped. Its schema_version is that of before the change, and
  // it has no referrers.
  CollectionPtr after;
  // By place in the fields of `after`: the field of `before` that it was, or
  // -1.
  std::vector<int> origins;
  // Places in the vectors of `after` whose declared generation is new.
  std::vector<int> new_vectors;
  // Those whose declared generation was one of `before` that was not.
  std::vector<int> redeclared_vectors;
  // The generations of `before` that go.
  std::vector<int64_t> dropped_generations;
  // How many records it has.
  int64_t records = 0;

  const Collection& collection() const { return after ? *after : *before; }
};

// One step of a plan.
struct SchemaStep {
  enum class Kind {
    // Runs its SQL; nothing, if only Engram's own rules change.
    kRun,
    // Copies the records to a new table, which takes the old one's place.
    kRebuild,
    // Verifies that every record keeps the rules of `field`, or `check`.
    kVerify,
    // Verifies that every value of the ref `field` names a record.
    kVerifyRefs,
    // Verifies that no record is kept deleted.
    kVerifyNoneDeleted,
    // Gives records without a value of `field` its default.
    kFillDefault,
    // Fills `field` from the json path that it is extracted from.
    kFillExtract,
    // Verifies that every id is a number, and goes on from the largest.
    kNumberIds,
    // Creates a side object and fills it; duplicates of a unique key are found.
    kBuild,
    // Computes what `rollup` keeps.
    kRollUp,
  };

  Kind kind = Kind::kRun;
  // The name of the collection, once the plan is done.
  std::string collection;
  // What it does, for people: `add field "score" (double)`.
  std::string summary;
  std::vector<std::string> sql;
  // Of a unique key: SideObject::find_duplicates.
  std::string find_duplicates;
  // Records that it reads or rewrites.
  int64_t records = 0;
  bool destructive = false;
  // Whether a backup is taken before.
  bool wants_backup = false;

  // What it is about: a place in SchemaPlan::changes, and places in `after`
  // there, as the kind says.
  int change = 0;
  int field = -1;
  int check = -1;
  int rollup = -1;
};

// How a schema becomes another.
struct SchemaPlan {
  // The version that it starts from.
  int64_t base = 0;
  std::vector<CollectionChange> changes;
  std::vector<SchemaStep> steps;
  // The collections that the goal declares, in its order, as they will be:
  // those of `changes`, and those that stay as they are.
  std::vector<CollectionPtr> declared;
  int64_t texts_to_embed = 0;
  // Stands for the goal, the steps and the base, but not for how many records
  // there are.
  std::string hash;

  bool empty() const { return steps.empty(); }
  bool destructive() const;
  bool wants_backup() const;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SCHEMA_PLAN_H_
