#ifndef ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVER_H_
#define ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVER_H_

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>
#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/clock/timers.h"
#include "libs/rpc/thread_pool.h"
#include "services/embedding/embedding_admin_service.h"
#include "services/embedding/embedding_options.h"
#include "services/embedding/embedding_service.h"
#include "services/embedding/lease_keeper.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/model_registrar.h"
#include "services/embedding/outbox_worker.h"
#include "services/embedding/storage_client.h"
#include "services/embedding/vector_cache.h"

namespace engram::embedding {

// The services that the embedding service calls.
struct EmbeddingPeers {
  std::shared_ptr<grpc::Channel> storage;
};

// The parts of the embedding service, and their order.
class EmbeddingServer {
 public:
  // Opens the models. `registry` must outlive the server.
  static absl::StatusOr<std::unique_ptr<EmbeddingServer>> Create(
      EmbeddingOptions options, prometheus::Registry& registry);

  // Stops.
  ~EmbeddingServer();

  // What to serve. Valid as long as the server; a gRPC server that serves them
  // must be shut down before this object ends.
  std::vector<grpc::Service*> services() {
    return {service_.get(), admin_service_.get()};
  }

  // Starts to embed what waits in storage, which need not be up yet. Call it
  // once.
  absl::Status Start(const EmbeddingPeers& peers);

  // Whether it works: from Start to Stop. Calls of its services need no peer.
  bool IsReady() const { return ready_; }

  // Ends the work on storage's outbox, waiting calls of storage and of
  // providers included; texts at hand are given back. Calls of the services for
  // remote models are `CANCELLED` from then on. Repeating is safe.
  void Stop();

 private:
  EmbeddingServer(EmbeddingOptions options, prometheus::Registry& registry,
                  std::unique_ptr<Timers> timers,
                  std::unique_ptr<VectorCache> cache,
                  std::unique_ptr<ModelCatalog> catalog);

  const EmbeddingOptions options_;
  prometheus::Registry& registry_;
  // Of the models.
  const std::unique_ptr<Timers> timers_;
  const std::unique_ptr<VectorCache> cache_;
  const std::unique_ptr<ModelCatalog> catalog_;
  const std::unique_ptr<rpc::ThreadPool> local_pool_;
  const std::unique_ptr<EmbeddingService> service_;
  const std::unique_ptr<rpc::ThreadPool> admin_pool_;
  const std::unique_ptr<EmbeddingAdminService> admin_service_;
  std::atomic<bool> ready_ = false;

  // From Start on; later ones use those before.
  std::unique_ptr<StorageClient> storage_;
  std::unique_ptr<ModelRegistrar> registrar_;
  std::unique_ptr<LeaseKeeper> keeper_;
  std::vector<std::unique_ptr<OutboxWorker>> workers_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_EMBEDDING_SERVER_H_
