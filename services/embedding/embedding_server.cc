#include "services/embedding/embedding_server.h"

#include <unistd.h>

#include <climits>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "libs/status/status_macros.h"
#include "services/embedding/provider_stack.h"

namespace engram::embedding {
namespace {

// Of people's calls, which wait for storage and for providers.
constexpr int kAdminThreads = 4;
constexpr int kAdminQueue = 64;

// Names this process in storage's logs.
std::string MakeHolder() {
  char host[HOST_NAME_MAX + 1] = {};
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, "/", getpid());
}

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddingServer>> EmbeddingServer::Create(
    EmbeddingOptions options, prometheus::Registry& registry) {
  RETURN_IF_ERROR(options.Validate());
  auto timers = Timers::MakeReal();
  auto cache = std::make_unique<VectorCache>(
      static_cast<size_t>(options.embed_cache_mib) << 20);
  ASSIGN_OR_RETURN(auto catalog,
                   OpenModels(options, {registry, *timers, *cache}));
  return absl::WrapUnique(
      new EmbeddingServer(std::move(options), registry, std::move(timers),
                          std::move(cache), std::move(catalog)));
}

EmbeddingServer::EmbeddingServer(EmbeddingOptions options,
                                 prometheus::Registry& registry,
                                 std::unique_ptr<Timers> timers,
                                 std::unique_ptr<VectorCache> cache,
                                 std::unique_ptr<ModelCatalog> catalog)
    : options_(std::move(options)),
      registry_(registry),
      timers_(std::move(timers)),
      cache_(std::move(cache)),
      catalog_(std::move(catalog)),
      local_pool_(std::make_unique<rpc::ThreadPool>(options_.embed_threads,
                                                    options_.embed_queue)),
      service_(std::make_unique<EmbeddingService>(*catalog_, *local_pool_,
                                                  options_.embed_remote_calls)),
      admin_pool_(
          std::make_unique<rpc::ThreadPool>(kAdminThreads, kAdminQueue)),
      admin_service_(std::make_unique<EmbeddingAdminService>(
          *catalog_, *admin_pool_,
          IndexerPace{.threads = options_.indexer_threads,
                      .batch = options_.indexer_batch})) {}

EmbeddingServer::~EmbeddingServer() { Stop(); }

absl::Status EmbeddingServer::Start(const EmbeddingPeers& peers) {
  storage_ = std::make_unique<StorageClient>(peers.storage);
  admin_service_->Connect(storage_.get());
  registrar_ = std::make_unique<ModelRegistrar>(*catalog_, *storage_);
  keeper_ = std::make_unique<LeaseKeeper>(*storage_, options_.indexer_lease);
  keeper_->Start();
  const OutboxWorkerSettings settings = {
      .holder = MakeHolder(),
      .max_entries = options_.indexer_batch,
      .lease = options_.indexer_lease,
      .max_backoff = options_.indexer_max_backoff};
  // Each model has its own, so that a provider that is slow or down holds up no
  // other model's texts.
  for (const auto& provider : catalog_->providers()) {
    for (int i = 0; i < options_.indexer_threads; ++i) {
      workers_.push_back(std::make_unique<OutboxWorker>(
          *provider, *storage_, *registrar_, *keeper_, settings, registry_));
      workers_.back()->Start();
    }
    log::Info("model ready", {{"model", provider->model().name},
                              {"fingerprint", provider->model().fingerprint}});
  }
  ready_ = true;
  return absl::OkStatus();
}

void EmbeddingServer::Stop() {
  ready_ = false;
  catalog_->Shutdown();
  if (storage_ == nullptr) return;
  storage_->Shutdown();
  workers_.clear();
  keeper_ = nullptr;
}

}  // namespace engram::embedding
