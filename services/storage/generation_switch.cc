#include "services/storage/generation_switch.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/dropped_generations.h"
#include "services/storage/generation_codec.h"
#include "services/storage/generation_progress.h"
#include "services/storage/generation_target.h"
#include "services/storage/schema_history.h"

namespace engram::storage {
namespace {

// A vector field, and one of its generations.
struct Target {
  CollectionPtr collection;
  const VectorField* field = nullptr;
  const Generation* generation = nullptr;
};

// What SwitchGenerationRequest means by no generation.
int64_t Other(const VectorField& field) {
  if (!field.declared().serves) return field.declared().id;
  for (const Generation& generation : field.generations) {
    if (!generation.serves) return generation.id;
  }
  return field.serving().id;
}

absl::StatusOr<Target> FindTarget(const Database& database,
                                  const Catalog& catalog,
                                  const std::string& collection,
                                  const std::string& vector_field,
                                  int64_t generation) {
  Target target;
  ASSIGN_OR_RETURN(target.collection, catalog.Get(database.name(), collection));
  ASSIGN_OR_RETURN(target.field,
                   FindVectorField(*target.collection, vector_field));
  if (generation == 0) generation = Other(*target.field);
  ASSIGN_OR_RETURN(
      target.generation,
      FindGeneration(*target.collection, *target.field, generation));
  return target;
}

// Null members if there is no such generation any more.
Target FindTarget(const Catalog& catalog, int64_t generation) {
  Target target;
  target.collection = catalog.FindByGeneration(generation);
  if (target.collection == nullptr) return target;
  for (const VectorField& field : target.collection->vectors) {
    if (field.Find(generation) == nullptr) continue;
    target.field = &field;
    target.generation = field.Find(generation);
  }
  return target;
}

// Runs `sql` as a migration of one step. Returns the sequence of its change.
absl::StatusOr<int64_t> Migrate(Database& database, WriterAccess& access,
                                const Collection& collection,
                                std::string summary,
                                std::vector<std::string> sql) {
  sqlite::Connection& connection = access.connection;
  ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                   sqlite::Transaction::Begin(
                       connection, sqlite::Transaction::Kind::kWrite));
  for (const std::string& statement : sql) {
    RETURN_IF_ERROR(connection.Execute(statement));
  }
  const std::string& name = collection.name();
  ASSIGN_OR_RETURN(
      const int64_t sequence,
      access.log.Append(ChangeKind::kCollectionChanged, collection.id, 0, name,
                        name, access.now_us));
  const std::vector<SchemaStep> steps = {{.collection = name,
                                          .summary = std::move(summary),
                                          .sql = std::move(sql)}};
  const int64_t version = access.schema_version + 1;
  ASSIGN_OR_RETURN(
      const std::vector<CollectionPtr> collections,
      StoreMigration(connection, version, steps, access.now_us, sequence));
  RETURN_IF_ERROR(access.Commit(transaction));
  access.schema_version = version;
  // Before the next write runs, and before any waiter learns of the commit.
  database.PublishSchema(collections, version);
  return sequence;
}

// Has the target serve.
absl::StatusOr<int64_t> Serve(Database& database, WriterAccess& access,
                              const Target& target) {
  const VectorField& field = *target.field;
  const Generation& before = field.serving();
  const Generation& after = *target.generation;
  const std::string update = "UPDATE _generations SET ";
  std::vector<std::string> sql = {
      absl::StrCat(update, "serves = 0, retired_us = ", access.now_us,
                   " WHERE generation = ", before.id),
      absl::StrCat(update, "serves = 1, retired_us = NULL WHERE generation = ",
                   after.id)};
  for (const Generation& other : field.generations) {
    // Whoever switches decides for good; storage does not switch back.
    if (other.awaits_cutover) {
      sql.push_back(absl::StrCat(
          update, "awaits_cutover = 0 WHERE generation = ", other.id));
    }
    // Going back is to the one before, no further.
    if (other.serves || other.declared || other.id == after.id ||
        !other.retired_us.has_value()) {
      continue;
    }
    for (std::string& statement : DropGenerationSql(other.id)) {
      sql.push_back(std::move(statement));
    }
  }
  return Migrate(
      database, access, *target.collection,
      absl::StrCat("switch vectors \"", field.name, "\" from generation ",
                   before.id, " (", before.model, ") to ", after.id, " (",
                   after.model, ")"),
      std::move(sql));
}

absl::StatusOr<int64_t> Drop(Database& database, WriterAccess& access,
                             const Target& target) {
  return Migrate(
      database, access, *target.collection,
      absl::StrCat("drop vectors \"", target.field->name, "\" of generation ",
                   target.generation->id, " (", target.generation->model, ")"),
      DropGenerationSql(target.generation->id));
}

absl::Status IncompleteError(const Target& target, int64_t missing) {
  const int64_t id = target.generation->id;
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_GENERATION_INCOMPLETE,
      absl::StrCat("generation ", id, " of vector field \"", target.field->name,
                   "\" is not complete: ", missing,
                   missing == 1 ? " record has" : " records have",
                   " no vectors of it yet; ListGenerations tells how long that "
                   "takes, GetBacklog whether something is paused"),
      {{"collection", target.collection->name()},
       {"vector_field", target.field->name},
       {"generation", absl::StrCat(id)},
       {"missing", absl::StrCat(missing)}});
}

}  // namespace

absl::StatusOr<v1::SwitchGenerationResponse> SwitchGeneration(
    Database& database, WriterAccess& access,
    const v1::SwitchGenerationRequest& request) {
  ASSIGN_OR_RETURN(
      const Target target,
      FindTarget(database, database.catalog(), request.collection(),
                 request.vector_field(), request.generation()));
  v1::SwitchGenerationResponse response;
  *response.mutable_generation() = ToProto(*target.generation);
  response.set_previous_generation(target.field->serving().id);
  int64_t sequence = access.log.head().sequence;
  if (!target.generation->serves) {
    ASSIGN_OR_RETURN(
        const int64_t missing,
        CountMissing(access.connection, *target.generation, access.now_us));
    if (missing > 0) return IncompleteError(target, missing);
    ASSIGN_OR_RETURN(sequence, Serve(database, access, target));
  }
  response.set_position(database.PositionAt(sequence).ToString());
  return response;
}

absl::Status CutOver(Database& database, WriterAccess& access,
                     int64_t generation) {
  const Target target = FindTarget(database.catalog(), generation);
  if (target.generation == nullptr || !target.generation->awaits_cutover ||
      target.generation->spec.cutover != schema::Cutover::kAuto) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      const int64_t missing,
      CountMissing(access.connection, *target.generation, access.now_us));
  if (missing > 0) return absl::OkStatus();
  return Serve(database, access, target).status();
}

absl::StatusOr<v1::DropGenerationResponse> DropGeneration(
    Database& database, WriterAccess& access,
    const v1::DropGenerationRequest& request) {
  if (request.generation() == 0) {
    return InvalidField("generation", "is missing; say which one to drop");
  }
  ASSIGN_OR_RETURN(
      const Target target,
      FindTarget(database, database.catalog(), request.collection(),
                 request.vector_field(), request.generation()));
  const Generation& generation = *target.generation;
  if (generation.serves || generation.declared) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        common::v1::ERROR_REASON_GENERATION_IN_USE,
        absl::StrCat("generation ", generation.id, " of vector field \"",
                     target.field->name, "\" ",
                     generation.serves
                         ? "serves; switch to another one first"
                         : "is what the schema declares; apply a schema that "
                           "declares what serves, which gives it up"),
        {{"collection", target.collection->name()},
         {"vector_field", target.field->name},
         {"generation", absl::StrCat(generation.id)}});
  }
  ASSIGN_OR_RETURN(const int64_t sequence, Drop(database, access, target));
  v1::DropGenerationResponse response;
  response.set_position(database.PositionAt(sequence).ToString());
  return response;
}

absl::Status DropRetired(Database& database, WriterAccess& access,
                         int64_t generation, int64_t retired_us) {
  const Target target = FindTarget(database.catalog(), generation);
  if (target.generation == nullptr || target.generation->serves ||
      target.generation->declared ||
      target.generation->retired_us.value_or(access.now_us) > retired_us) {
    return absl::OkStatus();
  }
  return Drop(database, access, target).status();
}

}  // namespace engram::storage
