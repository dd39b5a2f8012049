#include "services/embedding/provider_stack.h"

#include <string>
#include <utility>
#include <vector>

#include "libs/status/status_macros.h"
#include "services/embedding/checked_provider.h"
#include "services/embedding/observed_provider.h"
#include "services/embedding/providers/builtin_provider.h"
#include "services/embedding/static_model.h"

namespace engram::embedding {

std::unique_ptr<Provider> WrapProvider(std::unique_ptr<Provider> provider,
                                       prometheus::Registry& registry) {
  // From the inside out. The observer is outside of the check, so that an
  // answer that is refused counts as a failure.
  provider = std::make_unique<CheckedProvider>(std::move(provider));
  provider = std::make_unique<ObservedProvider>(std::move(provider), registry);
  return provider;
}

absl::StatusOr<std::unique_ptr<ModelCatalog>> OpenModels(
    const EmbeddingOptions& options, prometheus::Registry& registry) {
  ASSIGN_OR_RETURN(auto static_model,
                   StaticModel::Open(options.ResolvedModelFile()));
  std::vector<std::unique_ptr<Provider>> providers;
  providers.push_back(WrapProvider(
      std::make_unique<BuiltinProvider>(std::move(static_model)), registry));
  const std::string default_model = providers.front()->model().name;
  return ModelCatalog::Create(std::move(providers), default_model);
}

}  // namespace engram::embedding
