// Which collection and which field of one schema are which of another.

#ifndef ENGRAM_SERVICES_STORAGE_SCHEMA_DIFF_H_
#define ENGRAM_SERVICES_STORAGE_SCHEMA_DIFF_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engram/common/v1/model.pb.h"
#include "services/storage/schema_plan.h"

namespace engram::storage {

// Every collection that the goal declares or drops, unchanged ones among them,
// in this order: those that are dropped, then those declared. Collections and
// fields are the same ones if they have the same name, or the new one is
// `renamed_from` the old; in an older schema, if they have the same number.
// Models are resolved among `models`; a vector field whose declaration stays
// keeps its model whatever is the default by now.
//
// `InvalidArgument` with every mistake, also those between collections;
// `FailedPrecondition`, reason `COLLECTION_REFERENCED` or `MODEL_UNKNOWN`.
absl::StatusOr<std::vector<CollectionChange>> DiffSchema(
    const SchemaState& state, const SchemaGoal& goal,
    absl::Span<const common::v1::Model> models);

// The place in `after` of what was the field at `place` of `before`; -1 if it
// goes.
int PlaceAfter(const CollectionChange& change, int place);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SCHEMA_DIFF_H_
