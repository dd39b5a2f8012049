#ifndef ENGRAM_SERVICES_STORAGE_SCHEMA_APPLIER_H_
#define ENGRAM_SERVICES_STORAGE_SCHEMA_APPLIER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/common/v1/model.pb.h"
#include "engram/storage/v1/catalog.pb.h"
#include "services/storage/database.h"
#include "services/storage/schema_plan.h"

namespace engram::storage {

// Which schema is wanted, and what it may cost.
struct SchemaRequest {
  SchemaGoal goal;
  // Instead of a goal: the schema after the migration of this number.
  int64_t version = 0;
  // What vector fields may name.
  std::vector<common::v1::Model> models;
  // SchemaPlan::hash of the plan that was reviewed; empty applies any.
  std::string plan_hash;
  bool allow_destructive = false;
  // For tests: called before each step, after the last one, and after the
  // validation; an error ends the apply there.
  std::function<absl::Status(int)> before_step;
};

// What a schema became.
struct AppliedSchema {
  // Those that the goal declares, in its order.
  std::vector<CollectionPtr> collections;
  // The names of those that did not exist before.
  std::vector<std::string> created;
  std::vector<SchemaStep> steps;
  // The migration's number; 0 if there was nothing to do.
  int64_t version = 0;
  // The path of the backup; empty if none was needed.
  std::string backup;
  // Of the newest change; from there on all is as declared.
  int64_t sequence = 0;
};

// Reads a target, or documents given alone; one of them must be empty.
// `InvalidArgument` naming document, line and column of every mistake.
absl::StatusOr<SchemaRequest> DecodeSchema(
    const v1::SchemaTarget& target,
    const google::protobuf::RepeatedPtrField<v1::SchemaDocument>& documents);

// Plans without doing anything; see PlanSchema.
absl::StatusOr<SchemaPlan> PlanOf(Database& database,
                                  const SchemaRequest& request);

// Makes the database's schema what is wanted: on the writer's thread, alone,
// while reads go on. The file gets all of it or, after any failure, stays as it
// was. A backup is taken first where a step rebuilds or drops something.
//
// Errors as PlanSchema; also `FailedPrecondition`, reasons
// `DESTRUCTIVE_CHANGE`, `RECORDS_INVALID`; `Aborted`, reason `SCHEMA_CHANGED`,
// if the plan is not the one of `plan_hash`. `done` is called once, by any
// thread; `database` must live until then.
void ApplySchema(Database& database, SchemaRequest request, absl::Time deadline,
                 absl::AnyInvocable<void(absl::StatusOr<AppliedSchema>)> done);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SCHEMA_APPLIER_H_
