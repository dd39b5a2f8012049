#include "services/storage/schema_history.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/status_macros.h"
#include "services/storage/generation_codec.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectRecords =
    "SELECT collection, records FROM _collections ORDER BY collection";
constexpr absl::string_view kSelectLastId =
    "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?";
constexpr absl::string_view kSelectOlder = R"sql(
SELECT collection, name, schema, fields
FROM _schema_collections WHERE version = ? ORDER BY name)sql";
constexpr absl::string_view kSelectMigrations = R"sql(
SELECT version, applied_us, steps
FROM _schema_migrations WHERE version < ? ORDER BY version DESC LIMIT ?)sql";

constexpr absl::string_view kDeleteOfCollection[] = {
    "DELETE FROM _generations WHERE collection = ?",
    "DELETE FROM _fields WHERE collection = ?",
    "DELETE FROM _versions WHERE collection = ?",
    "DELETE FROM _images WHERE collection = ?",
    "DELETE FROM _collections WHERE collection = ?",
};
constexpr absl::string_view kInsertCollection = R"sql(
INSERT INTO _collections (collection, name, schema, created_us)
VALUES (?, ?, ?, ?))sql";
constexpr absl::string_view kUpdateCollection =
    "UPDATE _collections SET name = ?, schema = ? WHERE collection = ?";
constexpr absl::string_view kUpsertGeneration = R"sql(
INSERT INTO _generations (generation, collection, vector_field, model,
                          fingerprint, dimensions, created_us, declaration,
                          serves, awaits_cutover, retired_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (generation)
DO UPDATE SET declaration = excluded.declaration, serves = excluded.serves,
              awaits_cutover = excluded.awaits_cutover,
              retired_us = excluded.retired_us)sql";
constexpr absl::string_view kUpsertField = R"sql(
INSERT INTO _fields (collection, number, name) VALUES (?, ?, ?)
ON CONFLICT (collection, number)
DO UPDATE SET name = excluded.name, dropped_us = NULL)sql";
constexpr absl::string_view kDropField =
    "UPDATE _fields SET dropped_us = ? WHERE collection = ? AND number = ?";
constexpr absl::string_view kInsertMigration = R"sql(
INSERT INTO _schema_migrations (version, applied_us, steps, sequence)
VALUES (?, ?, ?, ?))sql";
constexpr absl::string_view kSelectAsOf = R"sql(
SELECT schema, fields FROM _schema_collections
WHERE collection = ?1 AND version =
  (SELECT min(version) FROM _schema_migrations WHERE sequence >= ?2))sql";
constexpr absl::string_view kInsertOlder = R"sql(
INSERT INTO _schema_collections (version, collection, name, schema, fields)
VALUES (?, ?, ?, ?, ?))sql";

absl::StatusOr<int64_t> ReadNextId(sqlite::Connection& connection,
                                   absl::string_view table) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Prepare(kSelectLastId));
  select.BindText(1, table);
  RETURN_IF_ERROR(select.Step().status());
  return select.Int(0) + 1;
}

absl::Status DeleteCollection(sqlite::Connection& connection, int64_t id) {
  for (const absl::string_view sql : kDeleteOfCollection) {
    ASSIGN_OR_RETURN(sqlite::Statement remove, connection.Prepare(sql));
    remove.BindInt(1, id);
    RETURN_IF_ERROR(remove.Run());
  }
  return absl::OkStatus();
}

absl::Status InsertCollection(sqlite::Connection& connection,
                              const Collection& collection, int64_t now_us) {
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   connection.Prepare(kInsertCollection));
  insert.BindInt(1, collection.id);
  insert.BindText(2, collection.name());
  insert.BindText(3, collection.yaml);
  insert.BindInt(4, now_us);
  return insert.Run();
}

absl::Status UpdateCollection(sqlite::Connection& connection, int64_t id,
                              absl::string_view name, absl::string_view yaml) {
  ASSIGN_OR_RETURN(sqlite::Statement update,
                   connection.Prepare(kUpdateCollection));
  update.BindText(1, name);
  update.BindText(2, yaml);
  update.BindInt(3, id);
  return update.Run();
}

absl::Status StoreGenerations(sqlite::Connection& connection,
                              const Collection& collection, int64_t now_us) {
  ASSIGN_OR_RETURN(sqlite::Statement upsert,
                   connection.Prepare(kUpsertGeneration));
  return ForEachGeneration(collection, [&](const Generation& generation) {
    const std::string declaration =
        EncodeDeclaration(generation.spec).SerializeAsString();
    upsert.BindInt(1, generation.id);
    upsert.BindInt(2, collection.id);
    upsert.BindText(3, generation.spec.name);
    upsert.BindText(4, generation.model);
    upsert.BindText(5, generation.fingerprint);
    upsert.BindInt(6, generation.dimensions);
    upsert.BindInt(7, now_us);
    upsert.BindNull(8);
    if (!generation.declared) upsert.BindBlob(8, declaration);
    upsert.BindInt(9, generation.serves ? 1 : 0);
    upsert.BindInt(10, generation.awaits_cutover ? 1 : 0);
    upsert.BindNull(11);
    if (generation.retired_us.has_value()) {
      upsert.BindInt(11, *generation.retired_us);
    }
    return upsert.Run();
  });
}

absl::Status StoreNumbers(sqlite::Connection& connection,
                          const CollectionChange& change, int64_t now_us) {
  const std::vector<int>& after = change.after->typed.numbers;
  ASSIGN_OR_RETURN(sqlite::Statement drop, connection.Prepare(kDropField));
  if (change.before != nullptr) {
    for (const int number : change.before->typed.numbers) {
      if (std::find(after.begin(), after.end(), number) != after.end()) {
        continue;
      }
      drop.BindInt(1, now_us);
      drop.BindInt(2, change.after->id);
      drop.BindInt(3, number);
      RETURN_IF_ERROR(drop.Run());
    }
  }
  ASSIGN_OR_RETURN(sqlite::Statement upsert, connection.Prepare(kUpsertField));
  for (size_t i = 0; i < after.size(); ++i) {
    upsert.BindInt(1, change.after->id);
    upsert.BindInt(2, after[i]);
    upsert.BindText(3, change.after->spec.fields[i].name);
    RETURN_IF_ERROR(upsert.Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<DeclaredCollection> ReadDeclaration(const sqlite::Statement& row,
                                                   int64_t version) {
  const std::string name(row.Text(1));
  DeclaredCollection declared = {
      .path = absl::StrCat("version ", version, ".", name),
      .yaml = std::string(row.Text(2)),
      .collection = row.Int(0)};
  absl::StatusOr<schema::CollectionSpec> spec =
      schema::ParseCollection(name, declared.yaml);
  v1::Collection fields;
  if (!spec.ok() || !fields.ParseFromString(std::string(row.Blob(3)))) {
    return absl::DataLossError(absl::StrCat(
        "collection \"", name, "\" of schema ", version, " cannot be read"));
  }
  declared.spec = *std::move(spec);
  declared.numbers.assign(declared.spec.fields.size(), 0);
  for (const v1::Field& field : fields.fields()) {
    const int place = declared.spec.FieldIndex(field.name());
    if (place >= 0) declared.numbers[place] = field.number();
  }
  return declared;
}

absl::Status ReadDocuments(sqlite::Connection& connection,
                           v1::SchemaMigration& migration) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectOlder));
  select.BindInt(1, migration.version());
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    v1::SchemaDocument& document = *migration.add_documents();
    document.set_name(std::string(select.Text(1)));
    document.set_yaml(std::string(select.Text(2)));
  }
}

}  // namespace

absl::StatusOr<SchemaState> ReadSchemaState(sqlite::Connection& connection) {
  SchemaState state;
  ASSIGN_OR_RETURN(state.version, ReadSchemaVersion(connection));
  ASSIGN_OR_RETURN(state.collections, ReadCollections(connection));
  ASSIGN_OR_RETURN(state.next_collection,
                   ReadNextId(connection, "_collections"));
  ASSIGN_OR_RETURN(state.next_generation,
                   ReadNextId(connection, "_generations"));
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Prepare(kSelectRecords));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return state;
    state.records[select.Int(0)] = select.Int(1);
  }
}

absl::StatusOr<SchemaGoal> ReadOlderSchema(sqlite::Connection& connection,
                                           int64_t version) {
  ASSIGN_OR_RETURN(const int64_t newest, ReadSchemaVersion(connection));
  if (version < 1 || version > newest) {
    return absl::NotFoundError(absl::StrCat("there is no migration ", version,
                                            "; the newest is ", newest));
  }
  SchemaGoal goal = {.prune = true};
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Prepare(kSelectOlder));
  select.BindInt(1, version);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return goal;
    ASSIGN_OR_RETURN(DeclaredCollection declared,
                     ReadDeclaration(select, version));
    goal.declared.push_back(std::move(declared));
  }
}

absl::Status StoreChanges(sqlite::Connection& connection,
                          const std::vector<CollectionChange>& changes,
                          int64_t now_us) {
  for (const CollectionChange& change : changes) {
    if (change.after == nullptr) {
      RETURN_IF_ERROR(DeleteCollection(connection, change.before->id));
    } else if (change.before != nullptr) {
      // Names are unique, and two collections may exchange theirs.
      RETURN_IF_ERROR(UpdateCollection(
          connection, change.after->id,
          absl::StrCat("_renamed_", change.after->id), change.after->yaml));
    }
  }
  for (const CollectionChange& change : changes) {
    if (change.after == nullptr) continue;
    if (change.before == nullptr) {
      RETURN_IF_ERROR(InsertCollection(connection, *change.after, now_us));
    } else {
      RETURN_IF_ERROR(UpdateCollection(connection, change.after->id,
                                       change.after->name(),
                                       change.after->yaml));
    }
    RETURN_IF_ERROR(StoreGenerations(connection, *change.after, now_us));
    RETURN_IF_ERROR(StoreNumbers(connection, change, now_us));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CollectionPtr>> StoreMigration(
    sqlite::Connection& connection, int64_t version,
    const std::vector<SchemaStep>& steps, int64_t now_us, int64_t sequence) {
  v1::SchemaMigration migration;
  for (const SchemaStep& step : steps) *migration.add_steps() = ToProto(step);
  const std::string bytes = migration.SerializeAsString();
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   connection.Prepare(kInsertMigration));
  insert.BindInt(1, version);
  insert.BindInt(2, now_us);
  insert.BindBlob(3, bytes);
  insert.BindInt(4, sequence);
  RETURN_IF_ERROR(insert.Run());
  ASSIGN_OR_RETURN(std::vector<CollectionPtr> collections,
                   ReadCollections(connection));
  ASSIGN_OR_RETURN(sqlite::Statement older, connection.Prepare(kInsertOlder));
  for (const CollectionPtr& collection : collections) {
    // The document has a column of its own.
    v1::Collection described = ToProto(*collection);
    described.clear_schema();
    const std::string description = described.SerializeAsString();
    older.BindInt(1, version);
    older.BindInt(2, collection->id);
    older.BindText(3, collection->name());
    older.BindText(4, collection->yaml);
    older.BindBlob(5, description);
    RETURN_IF_ERROR(older.Run());
  }
  return collections;
}

absl::StatusOr<std::optional<v1::Collection>> ReadCollectionAsOf(
    sqlite::Connection& connection, int64_t collection, int64_t sequence) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectAsOf));
  select.BindInt(1, collection);
  select.BindInt(2, sequence);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  v1::Collection described;
  if (!described.ParseFromString(std::string(select.Blob(1)))) {
    return absl::DataLossError(absl::StrCat("collection ", collection,
                                            " as of change ", sequence,
                                            " cannot be read"));
  }
  described.set_schema(std::string(select.Text(0)));
  return described;
}

absl::StatusOr<std::vector<v1::SchemaMigration>> ReadMigrations(
    sqlite::Connection& connection, int64_t before, int limit) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(kSelectMigrations));
  select.BindInt(1, before);
  select.BindInt(2, limit);
  std::vector<v1::SchemaMigration> migrations;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return migrations;
    v1::SchemaMigration& migration = migrations.emplace_back();
    if (!migration.ParseFromString(std::string(select.Blob(2)))) {
      return absl::DataLossError(
          absl::StrCat("migration ", select.Int(0), " cannot be read"));
    }
    migration.set_version(select.Int(0));
    *migration.mutable_apply_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
            select.Int(1));
    RETURN_IF_ERROR(ReadDocuments(connection, migration));
  }
}

v1::SchemaStep ToProto(const SchemaStep& step) {
  v1::SchemaStep proto;
  proto.set_collection(step.collection);
  proto.set_summary(step.summary);
  for (const std::string& sql : step.sql) proto.add_sql(sql);
  proto.set_records(step.records);
  proto.set_destructive(step.destructive);
  return proto;
}

}  // namespace engram::storage
