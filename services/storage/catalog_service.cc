#include "services/storage/catalog_service.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/request_fields.h"
#include "services/storage/schema_applier.h"

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

void EncodeApplied(const Database& database, const AppliedSchema& applied,
                   int64_t sequence, v1::ApplySchemaResponse* response) {
  for (const CollectionPtr& collection : applied.collections) {
    *response->add_collections() = ToProto(*collection);
  }
  for (const CollectionPtr& collection : applied.created) {
    response->add_created(collection->name());
  }
  response->set_position(database.PositionAt(sequence).ToString());
}

// One ApplySchema call between its thread and the writer's.
struct ApplyCall {
  std::vector<DeclaredCollection> declared;
  std::vector<Model> models;
  AppliedSchema applied;
  int64_t sequence = 0;
};

void StartApply(DatabaseRegistry& registry, absl::Time deadline,
                const v1::ApplySchemaRequest& request,
                v1::ApplySchemaResponse* response,
                grpc::ServerUnaryReactor* reactor) {
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) return rpc::Finish(reactor, database.status());
  absl::StatusOr<std::vector<DeclaredCollection>> declared =
      DecodeSchema(request);
  if (!declared.ok()) return rpc::Finish(reactor, declared.status());
  const auto call = std::make_shared<ApplyCall>();
  call->declared = *std::move(declared);
  call->models = registry.Models();
  (*database)->Submit({.run =
                           [call](WriteTransaction& transaction) {
                             const absl::Status status =
                                 ApplySchema(transaction, call->declared,
                                             call->models, &call->applied);
                             call->sequence = transaction.log().head().sequence;
                             return status;
                           },
                       .done =
                           [call, database = *database, response,
                            reactor](absl::Status status) {
                             if (status.ok()) {
                               database->catalog().Publish(call->applied.all);
                               EncodeApplied(*database, call->applied,
                                             call->sequence, response);
                             }
                             rpc::Finish(reactor, status);
                           },
                       .rows = call->declared.size(),
                       .bytes = request.ByteSizeLong(),
                       .deadline = deadline});
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

grpc::ServerUnaryReactor* CatalogService::RegisterModels(
    grpc::CallbackServerContext* context,
    const v1::RegisterModelsRequest* request, v1::RegisterModelsResponse*) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<Model> models, DecodeModels(*request));
    return registry_->RegisterModels(models);
  });
}

}  // namespace engram::storage
