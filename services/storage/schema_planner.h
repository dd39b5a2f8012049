#ifndef ENGRAM_SERVICES_STORAGE_SCHEMA_PLANNER_H_
#define ENGRAM_SERVICES_STORAGE_SCHEMA_PLANNER_H_

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engram/common/v1/model.pb.h"
#include "services/storage/schema_plan.h"

namespace engram::storage {

// The table that a rebuild fills before it takes the place of the old one.
inline constexpr absl::string_view kRebuildTable = "_rebuild";

// Works out how the schema that there is becomes the one that is wanted; does
// nothing. Errors as DiffSchema; also `InvalidArgument` for a field whose new
// type its values cannot have.
absl::StatusOr<SchemaPlan> PlanSchema(
    const SchemaState& state, const SchemaGoal& goal,
    absl::Span<const common::v1::Model> models);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SCHEMA_PLANNER_H_
