#include "services/storage/catalog.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/held_fields.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/cache_collection.h"
#include "services/storage/collection_table.h"
#include "services/storage/generation_codec.h"
#include "services/storage/record_select.h"
#include "services/storage/spec_expressions.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectCollections = R"sql(
SELECT collection, name, schema, created_us
FROM _collections ORDER BY collection)sql";
constexpr absl::string_view kSelectGenerations = R"sql(
SELECT generation, vector_field, model, fingerprint, dimensions, declaration,
       serves, awaits_cutover, retired_us
FROM _generations WHERE collection = ? ORDER BY serves DESC, generation)sql";

constexpr absl::string_view kSelectFields = R"sql(
SELECT number, name, dropped_us
FROM _fields WHERE collection = ? ORDER BY number)sql";
constexpr absl::string_view kInsertField =
    "INSERT INTO _fields (collection, number, name) VALUES (?, ?, ?)";
constexpr absl::string_view kCountFields =
    "SELECT count(*) FROM _fields WHERE collection = ?";
constexpr absl::string_view kSelectSchemaVersion =
    "SELECT coalesce(max(version), 0) FROM _schema_migrations";
constexpr absl::string_view kInsertFirstMigration =
    "INSERT INTO _schema_migrations (version, applied_us, steps) "
    "VALUES (1, ?, x'')";
constexpr absl::string_view kInsertFirstCollection = R"sql(
INSERT INTO _schema_collections (version, collection, name, schema, fields)
VALUES (1, ?, ?, ?, ?))sql";

// The fields at `places`, quoted, each after a comma.
std::string FieldList(const schema::CollectionSpec& spec,
                      const std::vector<int>& places) {
  std::string list;
  for (const int place : places) {
    absl::StrAppend(&list, ", ", QuoteIdentifier(spec.fields[place].name));
  }
  return list;
}

void CompileSources(const Collection& collection, Generation& generation) {
  const schema::CollectionSpec& spec = collection.spec;
  generation.chunked = generation.spec.chunking.method != chunk::Method::kNone;
  generation.sources.clear();
  for (const std::string& source : generation.spec.source) {
    generation.sources.push_back(spec.FieldIndex(source));
  }
  const std::string list = FieldList(spec, generation.sources);
  const std::string table = QuoteIdentifier(spec.name);
  generation.select_sources =
      absl::StrCat("SELECT id", list, " FROM ", table, " WHERE _row = ?");
  const std::string visible = absl::StrCat(
      " FROM ", table, " WHERE _row > ?1 AND _row <= ?2",
      LiveRecords(spec, " AND "),
      collection.expires() ? " AND (_expires_us IS NULL OR _expires_us > ?3)"
                           // Nothing expires, but a time is bound.
                           : " AND ?3 IS NOT NULL");
  generation.scan_sources =
      absl::StrCat("SELECT _row", list, visible, " ORDER BY _row");
  generation.count_sources = absl::StrCat("SELECT count(*)", visible);
}

void CompileGeneration(Generation& generation) {
  const std::string table = absl::StrCat("_vectors_", generation.id);
  generation.create_table = absl::StrCat(
      "CREATE TABLE ", table,
      " (_key INTEGER PRIMARY KEY NOT NULL, content_hash BLOB NOT NULL, "
      "sequence INTEGER NOT NULL, ",
      // Before the vector, which need not be read for them then.
      generation.chunked ? "text_hash BLOB NOT NULL, text_begin INTEGER NOT "
                           "NULL, text_end INTEGER NOT NULL, "
                         : "",
      "vector BLOB NOT NULL) STRICT");
  generation.remove =
      absl::StrCat("DELETE FROM ", table, " WHERE _key BETWEEN ? AND ?");
  generation.insert = absl::StrCat(
      "INSERT INTO ", table, " (_key, content_hash, sequence, vector",
      generation.chunked
          ? ", text_hash, text_begin, text_end) VALUES (?, ?, ?, ?, ?, ?, ?)"
          : ") VALUES (?, ?, ?, ?)");
  generation.select_hash =
      absl::StrCat("SELECT content_hash FROM ", table, " WHERE _key = ?");
  const absl::string_view range =
      generation.chunked ? ", text_begin, text_end" : "";
  generation.select =
      absl::StrCat("SELECT sequence, vector", range, " FROM ", table,
                   " WHERE _key BETWEEN ? AND ? ORDER BY _key");
  generation.scan =
      absl::StrCat("SELECT _key, sequence, vector", range, " FROM ", table,
                   " WHERE _key >= ? ORDER BY _key");
  // A text that is not cut is its own chunk.
  const absl::string_view text_hash =
      generation.chunked ? "text_hash" : "content_hash";
  generation.select_text_hashes =
      absl::StrCat("SELECT ", text_hash, " FROM ", table,
                   " WHERE _key BETWEEN ? AND ? ORDER BY _key");
  generation.select_texts =
      absl::StrCat("SELECT ", text_hash, ", vector FROM ", table,
                   " WHERE _key BETWEEN ? AND ? ORDER BY _key");
  const std::string pending = absl::StrCat(
      "SELECT count(*) FROM _outbox WHERE generation = ", generation.id,
      " AND ");
  const std::string has_vectors =
      absl::StrCat("EXISTS (SELECT 1 FROM ", table,
                   " WHERE _key = _outbox.row * ", kMaxChunks, ")");
  generation.count_outdated = absl::StrCat(pending, has_vectors);
  generation.count_waiting =
      absl::StrCat(pending, "row <= ? AND NOT ", has_vectors);
}

void AddFields(const Collection& collection, v1::Collection& proto) {
  for (size_t place = 0; place < collection.spec.fields.size(); ++place) {
    const schema::FieldSpec& field = collection.spec.fields[place];
    v1::Field& out = *proto.add_fields();
    out.set_name(field.name);
    out.set_type(TypeText(field));
    out.set_number(collection.typed.numbers[place]);
  }
}

void CompileColumns(Collection& collection) {
  collection.columns =
      absl::StrCat("_row, id, _version, _created_us, _updated_us, _sequence, ",
                   collection.expires() ? "_expires_us" : "NULL", ", ",
                   collection.keeps_deleted() ? "_deleted_us" : "NULL");
  for (const schema::FieldSpec& field : collection.spec.fields) {
    absl::StrAppend(&collection.columns, ", ", QuoteIdentifier(field.name));
  }
}

void CompileUniqueKeys(Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  for (std::vector<int>& fields : spec.UniqueKeys()) {
    const schema::Missing missing = spec.MissingIn(fields);
    const std::string condition =
        absl::StrJoin(fields, " AND ", [&](std::string* out, int place) {
          const schema::FieldSpec& field = spec.fields[place];
          absl::StrAppend(out, UniqueKeyTerm(field, missing), " = ",
                          UniqueKeyParameter(field, missing));
        });
    collection.unique_keys.push_back(
        {.fields = std::move(fields),
         .select = absl::StrCat("SELECT ", collection.columns, " FROM ",
                                QuoteIdentifier(spec.name), " WHERE ",
                                condition, LiveRecords(spec, " AND "))});
  }
}

void CompileElements(Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  for (size_t place = 0; place < spec.fields.size(); ++place) {
    const schema::FieldSpec& field = spec.fields[place];
    if (!field.indexed || field.type != schema::FieldType::kStrings) continue;
    const std::string table =
        ElementTableName(collection.id, collection.typed.numbers[place]);
    collection.elements.push_back(
        {.field = static_cast<int>(place),
         .insert = absl::StrCat("INSERT OR IGNORE INTO ", table,
                                " (value, row) VALUES (?, ?)"),
         .remove = absl::StrCat("DELETE FROM ", table,
                                " WHERE value = ? AND row = ?"),
         .select_rows =
             absl::StrCat("SELECT row FROM ", table, " WHERE value = ?")});
  }
}

void CompileTextIndex(Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  if (!spec.full_text.has_value()) return;
  TextIndex index;
  std::string parameters;
  for (const schema::FullTextSpec::Column& column : spec.full_text->columns) {
    index.fields.push_back(spec.FieldIndex(column.field));
    absl::StrAppend(&parameters, ", ?");
  }
  const std::string table = TextTableName(collection.id);
  const std::string list = FieldList(spec, index.fields);
  index.insert = absl::StrCat("INSERT INTO ", table, " (rowid", list,
                              ") VALUES (?", parameters, ")");
  // FTS5 takes commands as values of a column that has the table's name.
  index.remove = absl::StrCat("INSERT INTO ", table, " (", table, ", rowid",
                              list, ") VALUES ('delete', ?", parameters, ")");
  collection.text_index = std::move(index);
}

void CompileExpressions(Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  for (const std::string& check : spec.checks) {
    collection.checks.push_back(ParseCondition(spec, check));
  }
  collection.merges.resize(spec.fields.size());
  collection.generated.resize(spec.fields.size());
  for (size_t place = 0; place < spec.fields.size(); ++place) {
    const schema::FieldSpec& field = spec.fields[place];
    if (field.merge == schema::Merge::kExpression) {
      filter::Node merge = ParseMerge(spec, field);
      const std::vector<int> used = filter::PlacesUsed(merge);
      const int sent = schema::kSentPlace + static_cast<int>(place);
      if (!std::binary_search(used.begin(), used.end(), sent)) {
        collection.standing_merges.push_back(static_cast<int>(place));
      }
      collection.merges[place] = std::move(merge);
    }
    if (!field.generated.empty()) {
      collection.generated[place] = ParseGenerated(spec, field);
    }
  }
  for (const schema::RollupSpec& rollup : spec.rollups) {
    auto& condition = collection.rollup_conditions.emplace_back();
    if (!rollup.where.empty()) condition = ParseCondition(spec, rollup.where);
  }
  if (!spec.touch.has_value()) return;
  for (const schema::TouchSpec::Set& set : spec.touch->set) {
    collection.touches.push_back(ParseTouch(spec, set));
  }
}

std::string InsertSql(const Collection& collection) {
  std::string columns = "id, _version, _created_us, _updated_us, _sequence";
  std::string parameters = "?, ?, ?, ?, ?";
  const auto add = [&](absl::string_view column) {
    absl::StrAppend(&columns, ", ", column);
    absl::StrAppend(&parameters, ", ?");
  };
  if (collection.expires()) add("_expires_us");
  if (collection.keeps_deleted()) add("_deleted_us");
  for (const schema::FieldSpec& field : collection.spec.fields) {
    if (field.generated.empty()) add(QuoteIdentifier(field.name));
  }
  return absl::StrCat("INSERT INTO ", QuoteIdentifier(collection.name()), " (",
                      columns, ") VALUES (", parameters,
                      ") ON CONFLICT (id) DO NOTHING");
}

void CompileStatements(Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  const std::string table = QuoteIdentifier(spec.name);
  const std::string select =
      absl::StrCat("SELECT ", collection.columns, " FROM ", table, " WHERE ");
  collection.select_by_id = absl::StrCat(select, "id = ?");
  collection.select_by_row = absl::StrCat(select, "_row = ?");
  collection.select_seen_by_id = SelectByIdSql(collection);
  collection.select_seen_by_id_and_row =
      absl::StrCat(collection.select_seen_by_id, kAndRow);
  collection.insert = InsertSql(collection);
  collection.remove = absl::StrCat("DELETE FROM ", table, " WHERE _row = ?");
  collection.select_id =
      absl::StrCat("SELECT id FROM ", table, " WHERE _row = ?");
  // A sliding expiry moves without a change, so followers are not told of it.
  const bool tells_expiry = collection.expires() && !spec.expire->sliding;
  const std::string attributes = absl::StrCat(", _created_us, _updated_us",
                                              FieldList(spec, collection.held));
  collection.scan = absl::StrCat(
      "SELECT _row, id, _sequence, ", tells_expiry ? "_expires_us" : "NULL",
      collection.held.empty() ? "" : attributes, " FROM ", table,
      " WHERE _row > ? AND _row <= ?", LiveRecords(spec, " AND "),
      " ORDER BY _row");
  collection.select_attributes =
      absl::StrCat("SELECT _sequence", attributes, " FROM ", table,
                   " WHERE _row = ?", LiveRecords(spec, " AND "));
  collection.select_last_row = absl::StrCat("SELECT max(_row) FROM ", table);
  collection.scan_records =
      absl::StrCat(select, "_row > ? AND _row <= ?", LiveRecords(spec, " AND "),
                   " ORDER BY _row");
}

// Notes every ref of `collections` at the collection that it names.
void LinkReferrers(
    const std::vector<std::shared_ptr<Collection>>& collections) {
  for (const auto& collection : collections) {
    for (size_t place = 0; place < collection->spec.fields.size(); ++place) {
      const schema::FieldSpec& field = collection->spec.fields[place];
      if (field.type != schema::FieldType::kRef) continue;
      for (const auto& target : collections) {
        if (target->name() != field.target) continue;
        target->referrers.push_back(
            {.collection = collection->id,
             .name = collection->name(),
             .field = static_cast<int>(place),
             .on_delete = field.on_delete,
             .select = absl::StrCat("SELECT ", collection->columns, " FROM ",
                                    QuoteIdentifier(collection->name()),
                                    " WHERE ", QuoteIdentifier(field.name),
                                    " = ? ORDER BY _row")});
      }
    }
  }
}

absl::Status Unreadable(const Collection& collection,
                        absl::string_view problem) {
  return absl::DataLossError(absl::StrCat("stored schema of collection \"",
                                          collection.name(), "\": ", problem));
}

// How a generation's vectors are made, of what a row of kSelectGenerations
// says.
absl::Status ReadDeclaration(const sqlite::Statement& row,
                             const Collection& collection,
                             Generation& generation) {
  generation.spec = *collection.spec.FindVector(row.Text(1));
  generation.declared = row.IsNull(5);
  if (generation.declared) return absl::OkStatus();
  v1::Generation stored;
  if (!stored.ParseFromString(std::string(row.Blob(5)))) {
    return Unreadable(collection, absl::StrCat("generation ", generation.id,
                                               " cannot be read"));
  }
  DecodeDeclaration(stored, generation.spec);
  for (const std::string& source : generation.spec.source) {
    if (collection.spec.FieldIndex(source) >= 0) continue;
    return Unreadable(collection, absl::StrCat("generation ", generation.id,
                                               " is of a field \"", source,
                                               "\" that there is not"));
  }
  return absl::OkStatus();
}

// Reads the generations of each vector field that the spec declares.
absl::Status ReadGenerations(sqlite::Connection& connection,
                             Collection& collection) {
  for (const schema::VectorFieldSpec& field : collection.spec.vectors) {
    collection.vectors.push_back({.name = field.name});
  }
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Prepare(kSelectGenerations));
  select.BindInt(1, collection.id);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) break;
    for (VectorField& field : collection.vectors) {
      if (field.name != select.Text(1)) continue;
      Generation& generation = field.generations.emplace_back();
      generation.id = select.Int(0);
      generation.model = std::string(select.Text(2));
      generation.fingerprint = std::string(select.Text(3));
      generation.dimensions = static_cast<int>(select.Int(4));
      generation.serves = select.Int(6) != 0;
      generation.awaits_cutover = select.Int(7) != 0;
      if (!select.IsNull(8)) generation.retired_us = select.Int(8);
      RETURN_IF_ERROR(ReadDeclaration(select, collection, generation));
    }
  }
  for (const VectorField& field : collection.vectors) {
    const auto count = [&](bool Generation::*is) {
      return std::count_if(
          field.generations.begin(), field.generations.end(),
          [is](const Generation& generation) { return generation.*is; });
    };
    if (count(&Generation::serves) == 1 && count(&Generation::declared) == 1) {
      continue;
    }
    return Unreadable(
        collection,
        absl::StrCat("vector field \"", field.name,
                     "\" does not have one generation that serves, and one "
                     "that is declared"));
  }
  return absl::OkStatus();
}

// Reads which number each field has, and which ones are gone.
absl::Status ReadNumbers(sqlite::Connection& connection,
                         Collection& collection) {
  const schema::CollectionSpec& spec = collection.spec;
  schema::TypedLayout& typed = collection.typed;
  typed.numbers.assign(spec.fields.size(), 0);
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Prepare(kSelectFields));
  select.BindInt(1, collection.id);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) break;
    const int number = static_cast<int>(select.Int(0));
    const int place = spec.FieldIndex(select.Text(1));
    if (select.IsNull(2)) {
      if (place < 0) {
        return Unreadable(
            collection, absl::StrCat("field number ", number, " has no field"));
      }
      typed.numbers[place] = number;
    } else {
      typed.dropped.push_back(
          {.number = number, .name = std::string(select.Text(1))});
    }
  }
  for (size_t place = 0; place < typed.numbers.size(); ++place) {
    if (typed.numbers[place] != 0) continue;
    return Unreadable(
        collection,
        absl::StrCat("field \"", spec.fields[place].name, "\" has no number"));
  }
  return absl::OkStatus();
}

// Reads what _collections holds, and the spec.
absl::StatusOr<std::vector<std::shared_ptr<Collection>>> ReadDeclared(
    sqlite::Connection& connection) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Prepare(kSelectCollections));
  std::vector<std::shared_ptr<Collection>> collections;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return collections;
    auto collection = std::make_shared<Collection>();
    collection->id = select.Int(0);
    collection->yaml = std::string(select.Text(2));
    collection->created_us = select.Int(3);
    collection->spec.name = std::string(select.Text(1));
    absl::StatusOr<schema::CollectionSpec> spec =
        schema::ParseCollection(collection->name(), collection->yaml);
    // It was accepted once, so the file or the parser is at fault.
    if (!spec.ok()) return Unreadable(*collection, spec.status().message());
    collection->spec = *std::move(spec);
    collections.push_back(std::move(collection));
  }
}

absl::Status InsertNumbers(sqlite::Connection& connection,
                           const Collection& collection) {
  ASSIGN_OR_RETURN(sqlite::Statement count, connection.Prepare(kCountFields));
  count.BindInt(1, collection.id);
  RETURN_IF_ERROR(count.Step().status());
  if (count.Int(0) > 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(sqlite::Statement insert, connection.Prepare(kInsertField));
  int number = 0;
  for (const schema::FieldSpec& field : collection.spec.fields) {
    insert.BindInt(1, collection.id);
    insert.BindInt(2, ++number);
    insert.BindText(3, field.name);
    RETURN_IF_ERROR(insert.Run());
  }
  return absl::OkStatus();
}

absl::Status InsertFirstMigration(
    sqlite::Connection& connection, int64_t now_us,
    const std::vector<std::shared_ptr<Collection>>& collections) {
  ASSIGN_OR_RETURN(sqlite::Statement migration,
                   connection.Prepare(kInsertFirstMigration));
  migration.BindInt(1, now_us);
  RETURN_IF_ERROR(migration.Run());
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   connection.Prepare(kInsertFirstCollection));
  for (const auto& collection : collections) {
    RETURN_IF_ERROR(ReadNumbers(connection, *collection));
    v1::Collection proto;
    AddFields(*collection, proto);
    const std::string fields = proto.SerializeAsString();
    insert.BindInt(1, collection->id);
    insert.BindText(2, collection->name());
    insert.BindText(3, collection->yaml);
    insert.BindBlob(4, fields);
    RETURN_IF_ERROR(insert.Run());
  }
  return absl::OkStatus();
}

}  // namespace

void CompileCollection(Collection& collection) {
  for (VectorField& field : collection.vectors) {
    for (Generation& generation : field.generations) {
      CompileSources(collection, generation);
      CompileGeneration(generation);
    }
  }
  CompileColumns(collection);
  CompileUniqueKeys(collection);
  CompileElements(collection);
  CompileTextIndex(collection);
  CompileExpressions(collection);
  collection.held = schema::HeldFields(collection.spec);
  CompileStatements(collection);
  collection.cache_value = FindCacheValue(collection.spec);
}

absl::StatusOr<std::vector<CollectionPtr>> ReadCollections(
    sqlite::Connection& connection) {
  ASSIGN_OR_RETURN(const auto collections, ReadDeclared(connection));
  ASSIGN_OR_RETURN(const int64_t version, ReadSchemaVersion(connection));
  for (const auto& collection : collections) {
    collection->schema_version = version;
    RETURN_IF_ERROR(ReadNumbers(connection, *collection));
    RETURN_IF_ERROR(ReadGenerations(connection, *collection));
    CompileCollection(*collection);
  }
  LinkReferrers(collections);
  return std::vector<CollectionPtr>(collections.begin(), collections.end());
}

absl::Status NumberFields(sqlite::Connection& connection, int64_t now_us) {
  ASSIGN_OR_RETURN(const auto collections, ReadDeclared(connection));
  for (const auto& collection : collections) {
    RETURN_IF_ERROR(InsertNumbers(connection, *collection));
  }
  ASSIGN_OR_RETURN(const int64_t version, ReadSchemaVersion(connection));
  if (version > 0 || collections.empty()) return absl::OkStatus();
  return InsertFirstMigration(connection, now_us, collections);
}

absl::StatusOr<int64_t> ReadSchemaVersion(sqlite::Connection& connection) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(kSelectSchemaVersion));
  RETURN_IF_ERROR(select.Step().status());
  return select.Int(0);
}

std::string TypeText(const schema::FieldSpec& field) {
  const absl::string_view name = schema::FieldTypeName(field.type);
  if (field.type != schema::FieldType::kRef) return std::string(name);
  return absl::StrCat(name, "(", field.target, ")");
}

v1::Collection ToProto(const Collection& collection) {
  v1::Collection proto;
  proto.set_name(collection.name());
  proto.set_schema(collection.yaml);
  *proto.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
          collection.created_us);
  AddFields(collection, proto);
  for (const VectorField& field : collection.vectors) {
    v1::VectorField& out = *proto.add_vector_fields();
    out.set_name(field.name);
    out.set_supplied(field.supplied());
    for (const Generation& generation : field.generations) {
      v1::Generation& encoded = generation.serves
                                    ? *out.mutable_generation()
                                    : *out.add_other_generations();
      encoded = ToProto(generation);
    }
    *out.mutable_source() = out.generation().source();
    out.set_metric(out.generation().metric());
    const schema::VectorFieldSpec& spec =
        *collection.spec.FindVector(field.name);
    out.set_precision(EncodePrecision(spec.precision));
    out.set_index_kind(EncodeIndexKind(spec.index_kind));
  }
  return proto;
}

const Generation& VectorField::declared() const {
  return *std::find_if(
      generations.begin(), generations.end(),
      [](const Generation& generation) { return generation.declared; });
}

const Generation* VectorField::Find(int64_t generation) const {
  const auto found = std::find_if(
      generations.begin(), generations.end(),
      [=](const Generation& other) { return other.id == generation; });
  return found == generations.end() ? nullptr : &*found;
}

void Catalog::Publish(const std::vector<CollectionPtr>& collections,
                      int64_t schema_version) {
  absl::MutexLock lock(&mutex_);
  by_name_.clear();
  by_id_.clear();
  by_generation_.clear();
  schema_version_ = schema_version;
  for (const CollectionPtr& collection : collections) {
    by_name_[collection->name()] = collection;
    by_id_[collection->id] = collection;
    for (const VectorField& field : collection->vectors) {
      for (const Generation& generation : field.generations) {
        by_generation_[generation.id] = collection;
      }
    }
  }
}

void Catalog::Publish(const std::vector<CollectionPtr>& collections) {
  Publish(collections,
          collections.empty() ? 0 : collections.front()->schema_version);
}

int64_t Catalog::schema_version() const {
  absl::MutexLock lock(&mutex_);
  return schema_version_;
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
  return CollectionUnknown(database, name);
}

absl::Status CollectionUnknown(absl::string_view database,
                               absl::string_view collection) {
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_COLLECTION_UNKNOWN,
      absl::StrCat("database \"", database, "\" has no collection \"",
                   collection, "\"; create it with CatalogService.ApplySchema"),
      {{"database", database}, {"collection", collection}});
}

const Generation* FindGeneration(const Collection& collection,
                                 int64_t generation) {
  for (const VectorField& field : collection.vectors) {
    const Generation* const found = field.Find(generation);
    if (found != nullptr) return found;
  }
  return nullptr;
}

const Generation& GetGeneration(const Collection& collection,
                                int64_t generation) {
  const Generation* const found = FindGeneration(collection, generation);
  // Catalog::FindByGeneration gave a collection that has it.
  if (found == nullptr) std::abort();
  return *found;
}

}  // namespace engram::storage
