#ifndef ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVICE_H_
#define ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVICE_H_

#include "engram/embedding/v1/embedding.grpc.pb.h"
#include "libs/rpc/thread_pool.h"
#include "services/embedding/model_catalog.h"

namespace engram::embedding {

// The RPC edge of embedding: turns a query's text into a vector, step 9 of a
// record's life. protos/engram/embedding/v1/embedding.proto is its contract.
//
// Thread-safe.
class EmbeddingService final : public v1::EmbeddingService::CallbackService {
 public:
  // Local models' work that is long runs on `local_pool`, and what waits for
  // remote providers on `remote_pool`, so that a provider that hangs holds up
  // no local model. All must outlive this object and every call of it.
  EmbeddingService(const ModelCatalog& catalog, rpc::ThreadPool& local_pool,
                   rpc::ThreadPool& remote_pool);

  grpc::ServerUnaryReactor* Embed(grpc::CallbackServerContext* context,
                                  const v1::EmbedRequest* request,
                                  v1::EmbedResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(
      grpc::CallbackServerContext* context,
      const v1::ListModelsRequest* request,
      v1::ListModelsResponse* response) override;

 private:
  const ModelCatalog& catalog_;
  rpc::ThreadPool& local_pool_;
  rpc::ThreadPool& remote_pool_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVICE_H_
