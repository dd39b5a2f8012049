#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDER_STACK_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDER_STACK_H_

#include <prometheus/registry.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/clock/timers.h"
#include "services/embedding/embedding_options.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/provider.h"
#include "services/embedding/rate_limits.h"
#include "services/embedding/vector_cache.h"

namespace engram::embedding {

// What the providers of a process share; must outlive them.
struct SharedParts {
  prometheus::Registry& registry;
  Timers& timers;
  VectorCache& cache;
};

// One place where a model is served.
struct Endpoint {
  std::unique_ptr<Provider> provider;
  RateLimits rate;
};

// Returns a remote model, served at `endpoints`, the first being preferred,
// with all that is wrapped around it.
std::unique_ptr<Provider> WrapRemote(std::vector<Endpoint> endpoints,
                                     const SharedParts& parts);

// Returns a local model with what is wrapped around it: it costs nothing,
// never waits and is never down.
std::unique_ptr<Provider> WrapLocal(std::unique_ptr<Provider> provider,
                                    prometheus::Registry& registry);

// Opens every model that `options` configure, each wrapped.
absl::StatusOr<std::unique_ptr<ModelCatalog>> OpenModels(
    const EmbeddingOptions& options, const SharedParts& parts);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDER_STACK_H_
