#include "services/storage/catalog.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectCollections = R"sql(
SELECT collection, name, schema, created_us
FROM _collections ORDER BY collection)sql";
constexpr absl::string_view kSelectGenerations = R"sql(
SELECT generation, vector_field, model, fingerprint, dimensions
FROM _generations WHERE collection = ? ORDER BY generation)sql";

// The fields at `places`, quoted, each after a comma.
std::string FieldList(const schema::CollectionSpec& spec,
                      const std::vector<int>& places) {
  std::string list;
  for (const int place : places) {
    absl::StrAppend(&list, ", ", QuoteIdentifier(spec.fields[place].name));
  }
  return list;
}

void CompileGeneration(Generation& generation) {
  const std::string table = absl::StrCat("_vectors_", generation.id);
  generation.create_table = absl::StrCat(
      "CREATE TABLE ", table,
      " (_key INTEGER PRIMARY KEY NOT NULL, content_hash BLOB NOT NULL, "
      "sequence INTEGER NOT NULL, vector BLOB NOT NULL) STRICT");
  generation.remove =
      absl::StrCat("DELETE FROM ", table, " WHERE _key BETWEEN ? AND ?");
  generation.insert = absl::StrCat("INSERT INTO ", table,
                                   " (_key, content_hash, sequence, vector) "
                                   "VALUES (?, ?, ?, ?)");
  generation.select_hash =
      absl::StrCat("SELECT content_hash FROM ", table, " WHERE _key = ?");
  generation.select = absl::StrCat("SELECT sequence, vector FROM ", table,
                                   " WHERE _key BETWEEN ? AND ? ORDER BY _key");
  generation.count_outdated = absl::StrCat(
      "SELECT count(*) FROM _outbox WHERE generation = ", generation.id,
      " AND EXISTS (SELECT 1 FROM ", table, " WHERE _key = _outbox.row * ",
      kMaxChunks, ")");
}

void CompileVectorField(const schema::CollectionSpec& spec,
                        VectorField& field) {
  const schema::VectorFieldSpec& declared = *spec.FindVector(field.name);
  field.metric = declared.metric;
  for (const std::string& source : declared.source) {
    field.sources.push_back(spec.FieldIndex(source));
  }
  field.select_sources =
      absl::StrCat("SELECT id", FieldList(spec, field.sources), " FROM ",
                   QuoteIdentifier(spec.name), " WHERE _row = ?");
  CompileGeneration(field.generation);
}

void CompileUniqueKeys(Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  for (std::vector<int>& fields : spec.UniqueKeys()) {
    const std::string condition =
        absl::StrJoin(fields, " AND ", [&](std::string* out, int place) {
          absl::StrAppend(out, UniqueKeyTerm(spec.fields[place]), " = ",
                          UniqueKeyParameter(spec.fields[place]));
        });
    collection.unique_keys.push_back(
        {.fields = std::move(fields),
         .select = absl::StrCat(
             "SELECT _row, _version, id", FieldList(spec, collection.read_back),
             " FROM ", QuoteIdentifier(spec.name), " WHERE ", condition)});
  }
}

std::vector<int> PlacesToReadBack(const Collection& collection) {
  std::set<int> places;
  for (const VectorField& field : collection.vectors) {
    places.insert(field.sources.begin(), field.sources.end());
  }
  for (const std::vector<int>& key : collection.spec.UniqueKeys()) {
    places.insert(key.begin(), key.end());
  }
  return {places.begin(), places.end()};
}

std::vector<int> AllPlaces(const schema::CollectionSpec& spec) {
  std::vector<int> places(spec.fields.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int>(i);
  return places;
}

absl::Status ReadGenerations(sqlite::Connection& connection,
                             Collection& collection) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Prepare(kSelectGenerations));
  select.BindInt(1, collection.id);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    collection.vectors.push_back(
        {.name = std::string(select.Text(1)),
         .generation = {.id = select.Int(0),
                        .model = std::string(select.Text(2)),
                        .fingerprint = std::string(select.Text(3)),
                        .dimensions = static_cast<int>(select.Int(4))}});
  }
}

common::v1::Metric ToProto(schema::Metric metric) {
  switch (metric) {
    case schema::Metric::kCosine:
      return common::v1::METRIC_COSINE;
    case schema::Metric::kDot:
      return common::v1::METRIC_DOT;
    case schema::Metric::kL2:
      return common::v1::METRIC_L2;
  }
  return common::v1::METRIC_UNSPECIFIED;
}

}  // namespace

void CompileCollection(Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  const std::string table = QuoteIdentifier(spec.name);
  for (VectorField& field : collection.vectors) CompileVectorField(spec, field);
  collection.read_back = PlacesToReadBack(collection);
  CompileUniqueKeys(collection);
  collection.select_by_id = absl::StrCat("SELECT _row, _version, id",
                                         FieldList(spec, collection.read_back),
                                         " FROM ", table, " WHERE id = ?");
  std::string parameters;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    absl::StrAppend(&parameters, ", ?");
  }
  collection.insert =
      absl::StrCat("INSERT INTO ", table,
                   " (id, _version, _created_us, _updated_us, _sequence",
                   FieldList(spec, AllPlaces(spec)), ") VALUES (?, 1, ?, ?, ?",
                   parameters, ")");
  collection.remove = absl::StrCat("DELETE FROM ", table, " WHERE _row = ?");
  collection.select_id =
      absl::StrCat("SELECT id FROM ", table, " WHERE _row = ?");
  collection.scan = absl::StrCat("SELECT _row, id, _sequence FROM ", table,
                                 " WHERE _row > ? ORDER BY _row");
}

absl::StatusOr<std::vector<CollectionPtr>> ReadCollections(
    sqlite::Connection& connection) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Prepare(kSelectCollections));
  std::vector<CollectionPtr> collections;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return collections;
    auto collection = std::make_shared<Collection>();
    collection->id = select.Int(0);
    collection->yaml = std::string(select.Text(2));
    collection->created_us = select.Int(3);
    const std::string name(select.Text(1));
    absl::StatusOr<schema::CollectionSpec> spec =
        schema::ParseCollection(name, collection->yaml);
    if (!spec.ok()) {
      // It was accepted once, so the file or the parser is at fault.
      return absl::DataLossError(absl::StrCat("stored schema of collection \"",
                                              name,
                                              "\": ", spec.status().message()));
    }
    collection->spec = *std::move(spec);
    RETURN_IF_ERROR(ReadGenerations(connection, *collection));
    CompileCollection(*collection);
    collections.push_back(std::move(collection));
  }
}

v1::Collection ToProto(const Collection& collection) {
  v1::Collection proto;
  proto.set_name(collection.name());
  proto.set_schema(collection.yaml);
  *proto.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
          collection.created_us);
  for (const VectorField& field : collection.vectors) {
    v1::VectorField& out = *proto.add_vector_fields();
    out.set_name(field.name);
    for (const int place : field.sources) {
      out.add_source(collection.spec.fields[place].name);
    }
    out.set_metric(ToProto(field.metric));
    out.mutable_generation()->set_id(field.generation.id);
    out.mutable_generation()->set_model(field.generation.model);
    out.mutable_generation()->set_fingerprint(field.generation.fingerprint);
    out.mutable_generation()->set_dimensions(field.generation.dimensions);
  }
  return proto;
}

void Catalog::Publish(CollectionPtr collection) {
  absl::MutexLock lock(&mutex_);
  for (const VectorField& field : collection->vectors) {
    by_generation_[field.generation.id] = collection;
  }
  by_id_[collection->id] = collection;
  by_name_[collection->name()] = collection;
}

CollectionPtr Catalog::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : found->second;
}

CollectionPtr Catalog::FindById(int64_t id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

CollectionPtr Catalog::FindByGeneration(int64_t generation) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_generation_.find(generation);
  return found == by_generation_.end() ? nullptr : found->second;
}

std::vector<CollectionPtr> Catalog::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<CollectionPtr> collections;
  for (const auto& [name, collection] : by_name_) {
    collections.push_back(collection);
  }
  return collections;
}

absl::StatusOr<CollectionPtr> Catalog::Get(absl::string_view database,
                                           absl::string_view name) const {
  CollectionPtr collection = Find(name);
  if (collection != nullptr) return collection;
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_COLLECTION_UNKNOWN,
      absl::StrCat("database \"", database, "\" has no collection \"", name,
                   "\"; create it with CatalogService.ApplySchema"),
      {{"database", database}, {"collection", name}});
}

const VectorField& FieldOfGeneration(const Collection& collection,
                                     int64_t generation) {
  for (const VectorField& field : collection.vectors) {
    if (field.generation.id == generation) return field;
  }
  // Catalog::FindByGeneration gave a collection that has it.
  std::abort();
}

}  // namespace engram::storage
