#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDER_STACK_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDER_STACK_H_

#include <prometheus/registry.h>

#include <memory>

#include "absl/status/statusor.h"
#include "services/embedding/embedding_options.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// Returns `provider` with all that every provider is wrapped in.
std::unique_ptr<Provider> WrapProvider(std::unique_ptr<Provider> provider,
                                       prometheus::Registry& registry);

// Opens every model that `options` configure, each wrapped by WrapProvider.
absl::StatusOr<std::unique_ptr<ModelCatalog>> OpenModels(
    const EmbeddingOptions& options, prometheus::Registry& registry);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDER_STACK_H_
