#ifndef ENGRAM_SERVICES_EMBEDDING_EMBEDDING_ADMIN_SERVICE_H_
#define ENGRAM_SERVICES_EMBEDDING_EMBEDDING_ADMIN_SERVICE_H_

#include <atomic>

#include "engram/embedding/v1/admin.grpc.pb.h"
#include "libs/rpc/thread_pool.h"
#include "services/embedding/migration_estimate.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/storage_client.h"

namespace engram::embedding {

// The RPC edge for those who look after embedding;
// protos/engram/embedding/v1/admin.proto is its contract.
//
// Thread-safe.
class EmbeddingAdminService final
    : public v1::EmbeddingAdminService::CallbackService {
 public:
  // Calls wait for storage and for providers on `pool`. Both must outlive this
  // object and every call of it. `pace` is this process's own.
  EmbeddingAdminService(const ModelCatalog& catalog, rpc::ThreadPool& pool,
                        IndexerPace pace)
      : catalog_(catalog), pool_(pool), pace_(pace) {}

  // From now on `storage` is asked, which must outlive every call; before,
  // calls that need it are `Unavailable`.
  void Connect(StorageClient* storage) { storage_ = storage; }

  grpc::ServerUnaryReactor* GetBacklog(
      grpc::CallbackServerContext* context,
      const v1::GetBacklogRequest* request,
      v1::GetBacklogResponse* response) override;
  grpc::ServerUnaryReactor* Pause(grpc::CallbackServerContext* context,
                                  const v1::PauseRequest* request,
                                  v1::PauseResponse* response) override;
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* context,
                                   const v1::ResumeRequest* request,
                                   v1::ResumeResponse* response) override;
  grpc::ServerUnaryReactor* GetUsage(grpc::CallbackServerContext* context,
                                     const v1::GetUsageRequest* request,
                                     v1::GetUsageResponse* response) override;
  grpc::ServerUnaryReactor* CheckProvider(
      grpc::CallbackServerContext* context,
      const v1::CheckProviderRequest* request,
      v1::CheckProviderResponse* response) override;
  grpc::ServerUnaryReactor* EstimateMigration(
      grpc::CallbackServerContext* context,
      const v1::EstimateMigrationRequest* request,
      v1::EstimateMigrationResponse* response) override;
  grpc::ServerUnaryReactor* CompareGenerations(
      grpc::CallbackServerContext* context,
      const v1::CompareGenerationsRequest* request,
      v1::CompareGenerationsResponse* response) override;

 private:
  // Runs `call`, which is given the storage, on the pool.
  template <typename Body>
  grpc::ServerUnaryReactor* AskStorage(grpc::CallbackServerContext* context,
                                       Body call);

  const ModelCatalog& catalog_;
  rpc::ThreadPool& pool_;
  const IndexerPace pace_;
  // One comparison at a time, for the memory that it takes.
  std::atomic<bool> compares_ = false;
  std::atomic<StorageClient*> storage_ = nullptr;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_EMBEDDING_ADMIN_SERVICE_H_
