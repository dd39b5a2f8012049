#include "services/storage/catalog_service.h"

#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/schema/typed_schema.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/generation_list.h"
#include "services/storage/generation_switch.h"
#include "services/storage/request_fields.h"
#include "services/storage/schema_applier.h"
#include "services/storage/schema_history.h"
#include "services/storage/schema_planner.h"

namespace engram::storage {
namespace {

using common::v1::Model;

constexpr int kMaxModels = 1000;
constexpr size_t kMaxModelNameBytes = 256;
constexpr int kMaxDimensions = 4096;

void CheckModel(const Model& model, const std::string& path,
                FieldViolations& violations) {
  if (model.name().empty() || model.name().size() > kMaxModelNameBytes) {
    violations.Add(path + ".name",
                   absl::StrCat("has ", model.name().size(),
                                " bytes; give 1 to ", kMaxModelNameBytes));
  }
  if (model.name() == "default") {
    violations.Add(path + ".name",
                   "is kept for the model that is_default marks");
  }
  if (model.fingerprint().empty() ||
      model.fingerprint().size() > kMaxModelNameBytes) {
    violations.Add(path + ".fingerprint",
                   absl::StrCat("has ", model.fingerprint().size(),
                                " bytes; give 1 to ", kMaxModelNameBytes));
  }
  if (model.dimensions() < 1 || model.dimensions() > kMaxDimensions) {
    violations.Add(path + ".dimensions",
                   absl::StrCat("is ", model.dimensions(), "; give 1 to ",
                                kMaxDimensions));
  }
  if (model.max_tokens() < 0) {
    violations.Add(path + ".max_tokens", "is negative; 0 is no limit");
  }
}

absl::StatusOr<std::vector<Model>> DecodeModels(
    const v1::RegisterModelsRequest& request) {
  if (request.models_size() > kMaxModels) {
    return InvalidField("models",
                        absl::StrCat("has ", request.models_size(),
                                     " entries; give at most ", kMaxModels));
  }
  FieldViolations violations;
  std::set<std::string> names;
  int defaults = 0;
  for (int i = 0; i < request.models_size(); ++i) {
    const Model& model = request.models(i);
    const std::string path = absl::StrCat("models[", i, "]");
    CheckModel(model, path, violations);
    if (!names.insert(model.name()).second) {
      violations.Add(path + ".name", "is the name of an earlier model");
    }
    if (model.is_default() && ++defaults > 1) {
      violations.Add(path + ".is_default",
                     "marks a second model; one at most is the default");
    }
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return std::vector<Model>(request.models().begin(), request.models().end());
}

absl::StatusOr<SchemaRequest> DecodeRequest(
    const DatabaseRegistry& registry, const v1::SchemaTarget& target,
    const google::protobuf::RepeatedPtrField<v1::SchemaDocument>& documents) {
  ASSIGN_OR_RETURN(SchemaRequest request, DecodeSchema(target, documents));
  request.models = registry.Models();
  return request;
}

void EncodeApplied(const Database& database, const AppliedSchema& applied,
                   v1::ApplySchemaResponse* response) {
  for (const CollectionPtr& collection : applied.collections) {
    *response->add_collections() = ToProto(*collection);
  }
  for (const std::string& created : applied.created) {
    response->add_created(created);
  }
  for (const SchemaStep& step : applied.steps) {
    *response->add_steps() = ToProto(step);
  }
  response->set_position(database.PositionAt(applied.sequence).ToString());
  response->set_version(applied.version);
  response->set_backup(applied.backup);
}

void StartApply(DatabaseRegistry& registry, absl::Time deadline,
                const v1::ApplySchemaRequest& request,
                v1::ApplySchemaResponse* response,
                grpc::ServerUnaryReactor* reactor) {
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) return rpc::Finish(reactor, database.status());
  absl::StatusOr<SchemaRequest> decoded =
      DecodeRequest(registry, request.target(), request.documents());
  if (!decoded.ok()) return rpc::Finish(reactor, decoded.status());
  decoded->plan_hash = request.plan_hash();
  decoded->allow_destructive = request.allow_destructive();
  ApplySchema(**database, *std::move(decoded), deadline,
              [database = *database, response,
               reactor](const absl::StatusOr<AppliedSchema>& applied) {
                if (applied.ok()) EncodeApplied(*database, *applied, response);
                rpc::Finish(reactor, applied.status());
              });
}

absl::Status Plan(const DatabaseRegistry& registry,
                  const v1::PlanSchemaRequest& request,
                  v1::PlanSchemaResponse* response) {
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  ASSIGN_OR_RETURN(const SchemaRequest decoded,
                   DecodeRequest(registry, request.target(), {}));
  ASSIGN_OR_RETURN(const SchemaPlan plan, PlanOf(*database, decoded));
  for (const SchemaStep& step : plan.steps) {
    *response->add_steps() = ToProto(step);
  }
  response->set_destructive(plan.destructive());
  response->set_backup(plan.wants_backup());
  response->set_texts_to_embed(plan.texts_to_embed);
  response->set_plan_hash(plan.hash);
  return absl::OkStatus();
}

absl::Status ListMigrationsPage(const DatabaseRegistry& registry,
                                const v1::ListMigrationsRequest& request,
                                v1::ListMigrationsResponse* response) {
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  ASSIGN_OR_RETURN(const int limit, DecodePageSize(request.page_size()));
  const std::string list = absl::StrCat("migrations/", database->name());
  ASSIGN_OR_RETURN(const std::string last,
                   DecodePageToken(list, request.page_token()));
  int64_t before = std::numeric_limits<int64_t>::max();
  if (!last.empty() && !absl::SimpleAtoi(last, &before)) {
    return InvalidField("page_token", "is not one that this list gave");
  }
  ASSIGN_OR_RETURN(const ReadView view, database->BeginRead());
  ASSIGN_OR_RETURN(const std::vector<v1::SchemaMigration> migrations,
                   ReadMigrations(view.connection(), before, limit + 1));
  for (const v1::SchemaMigration& migration : migrations) {
    if (response->migrations_size() == limit) {
      const int64_t shown = response->migrations(limit - 1).version();
      response->set_next_page_token(EncodePageToken(list, absl::StrCat(shown)));
      break;
    }
    *response->add_migrations() = migration;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CollectionPtr>> FindCollections(
    const Database& database, const Catalog& catalog,
    const google::protobuf::RepeatedPtrField<std::string>& names) {
  if (names.empty()) return catalog.List();
  std::vector<CollectionPtr> collections;
  for (const std::string& name : std::set(names.begin(), names.end())) {
    ASSIGN_OR_RETURN(collections.emplace_back(),
                     catalog.Get(database.name(), name));
  }
  return collections;
}

absl::Status Describe(const DatabaseRegistry& registry,
                      const v1::GetDescriptorsRequest& request,
                      v1::GetDescriptorsResponse* response) {
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  ASSIGN_OR_RETURN(
      const std::vector<CollectionPtr> collections,
      FindCollections(*database, database->catalog(), request.collections()));
  bool needs_timestamp = false;
  for (const CollectionPtr& collection : collections) {
    schema::TypedSchema described =
        schema::DescribeTyped(collection->spec, collection->typed);
    needs_timestamp |= described.file.dependency_size() > 0;
    (*response->mutable_messages())[collection->name()] = described.message;
    (*response->mutable_sources())[described.file.name()] = described.source;
    *response->mutable_files()->add_file() = std::move(described.file);
  }
  if (needs_timestamp) {
    *response->mutable_files()->add_file() = schema::TimestampFile();
  }
  return absl::OkStatus();
}

absl::Status ListCollectionsPage(const DatabaseRegistry& registry,
                                 const v1::ListCollectionsRequest& request,
                                 v1::ListCollectionsResponse* response) {
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  ASSIGN_OR_RETURN(const int limit, DecodePageSize(request.page_size()));
  const std::string list = absl::StrCat("collections/", database->name());
  ASSIGN_OR_RETURN(const std::string last,
                   DecodePageToken(list, request.page_token()));
  for (const CollectionPtr& collection : database->catalog().List()) {
    if (collection->name() <= last) continue;
    if (response->collections_size() == limit) {
      response->set_next_page_token(
          EncodePageToken(list, response->collections(limit - 1).name()));
      return absl::OkStatus();
    }
    *response->add_collections() = ToProto(*collection);
  }
  return absl::OkStatus();
}

// Has `work` change which generations there are, on the writer's thread, and
// ends the call with what it returns.
template <typename Request, typename Response>
void ChangeGenerations(const DatabaseRegistry& registry, absl::Time deadline,
                       const Request& request, Response* response,
                       grpc::ServerUnaryReactor* reactor,
                       absl::StatusOr<Response> (*work)(Database&,
                                                        WriterAccess&,
                                                        const Request&)) {
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) return rpc::Finish(reactor, database.status());
  (*database)->Submit(
      {.run_alone = [database = *database, &request, response,
                     work](WriterAccess& access) -> absl::Status {
         ASSIGN_OR_RETURN(*response, work(*database, access, request));
         return absl::OkStatus();
       },
       .done =
           [reactor](const absl::Status& status) {
             rpc::Finish(reactor, status);
           },
       .deadline = deadline});
}

}  // namespace

grpc::ServerUnaryReactor* CatalogService::ApplySchema(
    grpc::CallbackServerContext* context, const v1::ApplySchemaRequest* request,
    v1::ApplySchemaResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued =
      pool_->Submit([=, this, deadline = rpc::DeadlineOf(*context)] {
        StartApply(*registry_, deadline, *request, response, reactor);
      });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* CatalogService::PlanSchema(
    grpc::CallbackServerContext* context, const v1::PlanSchemaRequest* request,
    v1::PlanSchemaResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return Plan(*registry_, *request, response);
  });
}

grpc::ServerUnaryReactor* CatalogService::ListMigrations(
    grpc::CallbackServerContext* context,
    const v1::ListMigrationsRequest* request,
    v1::ListMigrationsResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return ListMigrationsPage(*registry_, *request, response);
  });
}

grpc::ServerUnaryReactor* CatalogService::GetDescriptors(
    grpc::CallbackServerContext* context,
    const v1::GetDescriptorsRequest* request,
    v1::GetDescriptorsResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return Describe(*registry_, *request, response);
  });
}

grpc::ServerUnaryReactor* CatalogService::GetCollection(
    grpc::CallbackServerContext* context,
    const v1::GetCollectionRequest* request,
    v1::GetCollectionResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    ASSIGN_OR_RETURN(
        const CollectionPtr collection,
        database->catalog().Get(database->name(), request->collection()));
    *response->mutable_collection() = ToProto(*collection);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* CatalogService::ListCollections(
    grpc::CallbackServerContext* context,
    const v1::ListCollectionsRequest* request,
    v1::ListCollectionsResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return ListCollectionsPage(*registry_, *request, response);
  });
}

grpc::ServerUnaryReactor* CatalogService::ListGenerations(
    grpc::CallbackServerContext* context,
    const v1::ListGenerationsRequest* request,
    v1::ListGenerationsResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    if (request->collection().empty() && !request->vector_field().empty()) {
      return InvalidField("collection",
                          "is missing; name the vector field's collection");
    }
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return storage::ListGenerations(*database, clock_->Now(), *request,
                                    response);
  });
}

grpc::ServerUnaryReactor* CatalogService::SwitchGeneration(
    grpc::CallbackServerContext* context,
    const v1::SwitchGenerationRequest* request,
    v1::SwitchGenerationResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  ChangeGenerations(*registry_, rpc::DeadlineOf(*context), *request, response,
                    reactor, storage::SwitchGeneration);
  return reactor;
}

grpc::ServerUnaryReactor* CatalogService::DropGeneration(
    grpc::CallbackServerContext* context,
    const v1::DropGenerationRequest* request,
    v1::DropGenerationResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  ChangeGenerations(*registry_, rpc::DeadlineOf(*context), *request, response,
                    reactor, storage::DropGeneration);
  return reactor;
}

grpc::ServerUnaryReactor* CatalogService::RegisterModels(
    grpc::CallbackServerContext* context,
    const v1::RegisterModelsRequest* request, v1::RegisterModelsResponse*) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<Model> models, DecodeModels(*request));
    return registry_->RegisterModels(models);
  });
}

}  // namespace engram::storage
