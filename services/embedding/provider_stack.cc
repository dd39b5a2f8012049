#include "services/embedding/provider_stack.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/http/http_client.h"
#include "libs/status/status_macros.h"
#include "services/embedding/checked_provider.h"
#include "services/embedding/observed_provider.h"
#include "services/embedding/providers/builtin_provider.h"
#include "services/embedding/providers/http_provider.h"
#include "services/embedding/providers/provider_config.h"
#include "services/embedding/splitting_provider.h"
#include "services/embedding/static_model.h"

namespace engram::embedding {

std::unique_ptr<Provider> WrapProvider(std::unique_ptr<Provider> provider,
                                       prometheus::Registry& registry) {
  // From the inside out. The observer is outside of the check, so that an
  // answer that is refused counts as a failure, and inside of the splitter, so
  // that it measures calls as the provider sees them.
  provider = std::make_unique<CheckedProvider>(std::move(provider));
  provider = std::make_unique<ObservedProvider>(std::move(provider), registry);
  provider = std::make_unique<SplittingProvider>(std::move(provider));
  return provider;
}

namespace {

// Makes the providers that `config` uses. Those of one entry share a client,
// and so connections.
void AddRemoteProviders(const ProviderConfig& config,
                        prometheus::Registry& registry,
                        std::vector<std::unique_ptr<Provider>>& providers) {
  std::map<std::string, std::shared_ptr<http::HttpClient>> clients;
  for (const RemoteModel& model : config.models) {
    auto& client = clients[model.provider.name];
    if (client == nullptr) {
      client = std::make_shared<http::HttpClient>(model.provider.http);
    }
    providers.push_back(
        WrapProvider(std::make_unique<HttpProvider>(model, client), registry));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelCatalog>> OpenModels(
    const EmbeddingOptions& options, prometheus::Registry& registry) {
  ASSIGN_OR_RETURN(auto static_model,
                   StaticModel::Open(options.ResolvedModelFile()));
  std::vector<std::unique_ptr<Provider>> providers;
  providers.push_back(WrapProvider(
      std::make_unique<BuiltinProvider>(std::move(static_model)), registry));
  ASSIGN_OR_RETURN(const ProviderConfig config,
                   ReadProviderConfig(options.providers));
  const std::string default_model = config.default_model.empty()
                                        ? providers.front()->model().name
                                        : config.default_model;
  AddRemoteProviders(config, registry, providers);
  return ModelCatalog::Create(std::move(providers), default_model);
}

}  // namespace engram::embedding
