#include "services/storage/schema_applier.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"

namespace engram::storage {
namespace {

using common::v1::Model;

constexpr absl::string_view kInsertCollection =
    "INSERT INTO _collections (name, schema, created_us) VALUES (?, ?, ?)";
constexpr absl::string_view kInsertGeneration = R"sql(
INSERT INTO _generations
  (collection, vector_field, model, fingerprint, dimensions, created_us)
VALUES (?, ?, ?, ?, ?, ?))sql";

constexpr int kMaxDocuments = 1000;

absl::StatusOr<Model> ResolveModel(const schema::VectorFieldSpec& field,
                                   const std::vector<Model>& models) {
  for (const Model& model : models) {
    if (field.model == "default" ? model.is_default()
                                 : model.name() == field.model) {
      return model;
    }
  }
  const std::string known = absl::StrJoin(
      models, ", ",
      [](std::string* out, const Model& model) { out->append(model.name()); });
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_MODEL_UNKNOWN,
      absl::StrCat(
          "vector field \"", field.name, "\": no model \"", field.model,
          "\" is registered; registered: ",
          known.empty() ? "none; is an embedding service running?" : known),
      {{"model", field.model}, {"registered", known}});
}

absl::Status InsertGeneration(WriteTransaction& transaction,
                              const Collection& collection,
                              VectorField& field) {
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   transaction.connection().Cached(kInsertGeneration));
  insert.BindInt(1, collection.id);
  insert.BindText(2, field.name);
  insert.BindText(3, field.generation.model);
  insert.BindText(4, field.generation.fingerprint);
  insert.BindInt(5, field.generation.dimensions);
  insert.BindInt(6, transaction.now_us());
  RETURN_IF_ERROR(insert.Run());
  field.generation.id = transaction.connection().last_insert_row();
  return absl::OkStatus();
}

absl::Status InsertCollection(WriteTransaction& transaction,
                              Collection& collection) {
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   transaction.connection().Cached(kInsertCollection));
  insert.BindText(1, collection.name());
  insert.BindText(2, collection.yaml);
  insert.BindInt(3, collection.created_us);
  RETURN_IF_ERROR(insert.Run());
  collection.id = transaction.connection().last_insert_row();
  return absl::OkStatus();
}

absl::StatusOr<CollectionPtr> Create(WriteTransaction& transaction,
                                     const DeclaredCollection& declared,
                                     const std::vector<Model>& models) {
  auto collection = std::make_shared<Collection>();
  collection->spec = declared.spec;
  collection->yaml = declared.yaml;
  collection->created_us = transaction.now_us();
  for (const schema::VectorFieldSpec& field : declared.spec.vectors) {
    ASSIGN_OR_RETURN(const Model model, ResolveModel(field, models));
    collection->vectors.push_back(
        {.name = field.name,
         .generation = {.model = model.name(),
                        .fingerprint = model.fingerprint(),
                        .dimensions = model.dimensions()}});
  }
  RETURN_IF_ERROR(InsertCollection(transaction, *collection));
  for (VectorField& field : collection->vectors) {
    RETURN_IF_ERROR(InsertGeneration(transaction, *collection, field));
  }
  sqlite::Connection& connection = transaction.connection();
  RETURN_IF_ERROR(NumberFields(connection, transaction.now_us()));
  std::vector<int>& numbers = collection->typed.numbers;
  for (size_t i = 1; i <= collection->spec.fields.size(); ++i) {
    numbers.push_back(static_cast<int>(i));
  }
  CompileCollection(*collection);
  RETURN_IF_ERROR(
      connection.Execute(CreateTableSql(collection->spec, collection->name())));
  for (const SideObject& object :
       SideObjects(collection->id, collection->spec, numbers)) {
    RETURN_IF_ERROR(connection.Execute(object.create));
  }
  for (const VectorField& field : collection->vectors) {
    RETURN_IF_ERROR(connection.Execute(field.generation.create_table));
  }
  RETURN_IF_ERROR(transaction
                      .Append(ChangeKind::kCollectionCreated, collection->id, 0,
                              collection->name())
                      .status());
  return collection;
}

absl::Status SchemaChanged(absl::string_view collection) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_SCHEMA_CHANGED,
      absl::StrCat("collection \"", collection,
                   "\" exists with another schema; give the new one another "
                   "name"),
      {{"collection", collection}});
}

}  // namespace

absl::StatusOr<std::vector<DeclaredCollection>> DecodeSchema(
    const v1::ApplySchemaRequest& request) {
  if (request.documents_size() == 0 ||
      request.documents_size() > kMaxDocuments) {
    return InvalidField("documents",
                        absl::StrCat("has ", request.documents_size(),
                                     " entries; give 1 to ", kMaxDocuments));
  }
  std::vector<DeclaredCollection> declared;
  std::set<std::string> names;
  FieldViolations violations;
  for (int i = 0; i < request.documents_size(); ++i) {
    const v1::SchemaDocument& document = request.documents(i);
    const std::string path = absl::StrCat("documents[", i, "]");
    std::optional<schema::CollectionSpec> spec = schema::ParseCollection(
        document.name(), document.yaml(), path, violations);
    if (!spec.has_value()) continue;
    if (!names.insert(spec->name).second) {
      violations.Add(path, absl::StrCat("declares collection \"", spec->name,
                                        "\", which an earlier document "
                                        "declares"));
    }
    declared.push_back({*std::move(spec), document.yaml()});
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return declared;
}

absl::Status ApplySchema(WriteTransaction& transaction,
                         const std::vector<DeclaredCollection>& declared,
                         const std::vector<Model>& models,
                         AppliedSchema* applied) {
  *applied = {};
  // The file's own, as the catalog is a moment behind it.
  ASSIGN_OR_RETURN(const std::vector<CollectionPtr> existing,
                   ReadCollections(transaction.connection()));
  for (const DeclaredCollection& declaration : declared) {
    const auto found = std::find_if(
        existing.begin(), existing.end(), [&](const CollectionPtr& collection) {
          return collection->name() == declaration.spec.name;
        });
    if (found == existing.end()) {
      ASSIGN_OR_RETURN(CollectionPtr created,
                       Create(transaction, declaration, models));
      applied->collections.push_back(created);
      applied->created.push_back(std::move(created));
      continue;
    }
    if (!((*found)->spec == declaration.spec)) {
      return SchemaChanged(declaration.spec.name);
    }
    applied->collections.push_back(*found);
  }
  ASSIGN_OR_RETURN(applied->all, ReadCollections(transaction.connection()));
  return absl::OkStatus();
}

}  // namespace engram::storage
