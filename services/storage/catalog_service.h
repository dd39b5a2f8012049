#ifndef ENGRAM_SERVICES_STORAGE_CATALOG_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_CATALOG_SERVICE_H_

#include "engram/storage/v1/catalog.grpc.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The RPC edge for collections and models; the proto says what each method
// promises.
class CatalogService : public v1::CatalogService::CallbackService {
 public:
  // Both must outlive this object.
  CatalogService(DatabaseRegistry* registry, rpc::ThreadPool* pool,
                 const Clock* clock)
      : registry_(registry), pool_(pool), clock_(clock) {}

  grpc::ServerUnaryReactor* ApplySchema(
      grpc::CallbackServerContext* context,
      const v1::ApplySchemaRequest* request,
      v1::ApplySchemaResponse* response) override;
  grpc::ServerUnaryReactor* PlanSchema(
      grpc::CallbackServerContext* context,
      const v1::PlanSchemaRequest* request,
      v1::PlanSchemaResponse* response) override;
  grpc::ServerUnaryReactor* ListMigrations(
      grpc::CallbackServerContext* context,
      const v1::ListMigrationsRequest* request,
      v1::ListMigrationsResponse* response) override;
  grpc::ServerUnaryReactor* GetDescriptors(
      grpc::CallbackServerContext* context,
      const v1::GetDescriptorsRequest* request,
      v1::GetDescriptorsResponse* response) override;
  grpc::ServerUnaryReactor* GetCollection(
      grpc::CallbackServerContext* context,
      const v1::GetCollectionRequest* request,
      v1::GetCollectionResponse* response) override;
  grpc::ServerUnaryReactor* ListCollections(
      grpc::CallbackServerContext* context,
      const v1::ListCollectionsRequest* request,
      v1::ListCollectionsResponse* response) override;
  grpc::ServerUnaryReactor* ListGenerations(
      grpc::CallbackServerContext* context,
      const v1::ListGenerationsRequest* request,
      v1::ListGenerationsResponse* response) override;
  grpc::ServerUnaryReactor* SwitchGeneration(
      grpc::CallbackServerContext* context,
      const v1::SwitchGenerationRequest* request,
      v1::SwitchGenerationResponse* response) override;
  grpc::ServerUnaryReactor* DropGeneration(
      grpc::CallbackServerContext* context,
      const v1::DropGenerationRequest* request,
      v1::DropGenerationResponse* response) override;
  grpc::ServerUnaryReactor* RegisterModels(
      grpc::CallbackServerContext* context,
      const v1::RegisterModelsRequest* request,
      v1::RegisterModelsResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CATALOG_SERVICE_H_
