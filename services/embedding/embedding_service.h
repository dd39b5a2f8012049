#ifndef ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVICE_H_
#define ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVICE_H_

#include "engram/embedding/v1/embedding.grpc.pb.h"
#include "libs/rpc/thread_pool.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/model_runner.h"

namespace engram::embedding {

// The RPC edge of embedding: turns a query's text into a vector, step 9 of a
// record's life, and serves whoever else wants vectors or scores.
// protos/engram/embedding/v1/embedding.proto is its contract.
//
// Thread-safe.
class EmbeddingService final : public v1::EmbeddingService::CallbackService {
 public:
  // Local models' work that is long runs on `local_pool`; at most
  // `max_remote_calls` calls wait for remote models, without a thread, so a
  // provider that hangs holds up no local model. All must outlive this object
  // and every call of it.
  EmbeddingService(const ModelCatalog& catalog, rpc::ThreadPool& local_pool,
                   int max_remote_calls)
      : catalog_(catalog), runner_(local_pool, max_remote_calls) {}

  grpc::ServerUnaryReactor* Embed(grpc::CallbackServerContext* context,
                                  const v1::EmbedRequest* request,
                                  v1::EmbedResponse* response) override;
  grpc::ServerBidiReactor<v1::EmbedStreamRequest, v1::EmbedStreamResponse>*
  EmbedStream(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Rerank(grpc::CallbackServerContext* context,
                                   const v1::RerankRequest* request,
                                   v1::RerankResponse* response) override;
  grpc::ServerUnaryReactor* CountTokens(
      grpc::CallbackServerContext* context,
      const v1::CountTokensRequest* request,
      v1::CountTokensResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(
      grpc::CallbackServerContext* context,
      const v1::ListModelsRequest* request,
      v1::ListModelsResponse* response) override;

 private:
  const ModelCatalog& catalog_;
  ModelRunner runner_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVICE_H_
