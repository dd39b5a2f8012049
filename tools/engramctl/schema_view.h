// Schemas and their steps as people and programs read them.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_SCHEMA_VIEW_H_
#define ENGRAM_TOOLS_ENGRAMCTL_SCHEMA_VIEW_H_

#include <vector>

#include "engram/storage/v1/catalog.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "tools/engramctl/console.h"
#include "tools/engramctl/json_object.h"

namespace engram::engramctl {

using SchemaSteps = google::protobuf::RepeatedPtrField<storage::v1::SchemaStep>;

// Every step under its collection, one that destroys data marked with `!`, its
// SQL below it; then what the plan needs and means.
void PrintPlan(const Console& console,
               const storage::v1::PlanSchemaResponse& plan);
JsonObject PlanAsJson(const storage::v1::PlanSchemaResponse& plan);

// What became of each collection: created, changed with its steps, unchanged,
// dropped.
void PrintApplied(const Console& console,
                  const storage::v1::ApplySchemaResponse& applied);
JsonObject AppliedAsJson(const storage::v1::ApplySchemaResponse& applied);

void PrintMigration(const Console& console,
                    const storage::v1::SchemaMigration& migration);
JsonObject MigrationAsJson(const storage::v1::SchemaMigration& migration);

// The collection with the numbers of its fields.
JsonObject CollectionAsJson(const storage::v1::Collection& collection);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_SCHEMA_VIEW_H_
