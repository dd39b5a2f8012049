// The steps of one collection that stays; schema_planner.h puts those of all
// together.

#ifndef ENGRAM_SERVICES_STORAGE_COLLECTION_PLANNER_H_
#define ENGRAM_SERVICES_STORAGE_COLLECTION_PLANNER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/status/errors.h"
#include "services/storage/schema_plan.h"

namespace engram::storage {

// The ids of collections by their names, before and after.
struct Targets {
  std::map<std::string, int64_t> before;
  std::map<std::string, int64_t> after;
};

// In the order in which they are done. Each is a phase over all collections;
// the collection gets its new name after the first.
struct CollectionSteps {
  // What goes: the collection, indexes, vectors.
  std::vector<SchemaStep> dropped;
  // What becomes of table and records.
  std::vector<SchemaStep> changed;
  // Verifications, and what is built of the records.
  std::vector<SchemaStep> checked;
  // What is computed from other collections, or elsewhere.
  std::vector<SchemaStep> computed;
  bool renamed = false;

  bool empty() const {
    return !renamed && dropped.empty() && changed.empty() && checked.empty() &&
           computed.empty();
  }
};

// Returns the steps; none if everything is as declared. Fields whose new type
// their values cannot have are added to `violations`, under `path`, that of the
// document.
CollectionSteps PlanCollection(const CollectionChange& change,
                               const Targets& targets, absl::string_view path,
                               FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_COLLECTION_PLANNER_H_
