#include "services/embedding/provider_stack.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/status/status_macros.h"
#include "services/embedding/batching_provider.h"
#include "services/embedding/caching_provider.h"
#include "services/embedding/checked_provider.h"
#include "services/embedding/circuit_breaker.h"
#include "services/embedding/failover_provider.h"
#include "services/embedding/isolating_provider.h"
#include "services/embedding/observed_provider.h"
#include "services/embedding/providers/builtin_provider.h"
#include "services/embedding/providers/http_channel.h"
#include "services/embedding/providers/http_provider.h"
#include "services/embedding/providers/provider_config.h"
#include "services/embedding/rate_limited_provider.h"
#include "services/embedding/retrying_provider.h"
#include "services/embedding/static_model.h"
#include "services/embedding/truncating_provider.h"

namespace engram::embedding {
namespace {

// Of texts that wait for one model.
constexpr size_t kMaxQueuedBytes = size_t{64} << 20;

// What stands around each endpoint of a remote model, from the inside out.
std::unique_ptr<Provider> WrapEndpoint(Endpoint endpoint,
                                       const SharedParts& parts) {
  auto provider = std::move(endpoint.provider);
  // What comes back is what was promised, or an error.
  provider = std::make_unique<CheckedProvider>(std::move(provider));
  // Outside of the check, so that a refused answer counts as a failure; inside
  // of all that waits, so that the times are the endpoint's.
  provider =
      std::make_unique<ObservedProvider>(std::move(provider), parts.registry);
  // Inside of retries, so that each try counts.
  provider = std::make_unique<RateLimitedProvider>(std::move(provider),
                                                   endpoint.rate, parts.timers);
  // Outside of the wait for a turn, so that one that is down costs none.
  provider = std::make_unique<CircuitBreaker>(std::move(provider),
                                              parts.timers.clock());
  return provider;
}

}  // namespace

std::unique_ptr<Provider> WrapRemote(std::vector<Endpoint> endpoints,
                                     const SharedParts& parts) {
  std::vector<std::unique_ptr<Provider>> wrapped;
  wrapped.reserve(endpoints.size());
  for (Endpoint& endpoint : endpoints) {
    wrapped.push_back(WrapEndpoint(std::move(endpoint), parts));
  }
  std::unique_ptr<Provider> provider =
      std::make_unique<FailoverProvider>(std::move(wrapped));
  // Inside of batching: a call holds texts of callers who are nothing to each
  // other. Inside of retries: the texts that are not at fault need no pause.
  provider = std::make_unique<IsolatingProvider>(std::move(provider));
  // Outside of fail-over: only when no endpoint works is there a pause.
  provider =
      std::make_unique<RetryingProvider>(std::move(provider), parts.timers);
  provider = std::make_unique<BatchingProvider>(std::move(provider),
                                                kMaxQueuedBytes, parts.timers);
  // Outside of batching, so that one text is in one call only.
  provider = std::make_unique<CachingProvider>(std::move(provider), parts.cache,
                                               parts.timers, parts.registry);
  // Outside of the cache, which then knows each text as it was sent.
  provider = std::make_unique<TruncatingProvider>(std::move(provider));
  return provider;
}

std::unique_ptr<Provider> WrapLocal(std::unique_ptr<Provider> provider,
                                    prometheus::Registry& registry) {
  provider = std::make_unique<CheckedProvider>(std::move(provider));
  provider = std::make_unique<ObservedProvider>(std::move(provider), registry);
  return provider;
}

namespace {

// By provider and endpoint.
using Channels =
    std::map<std::string, std::vector<std::shared_ptr<HttpChannel>>>;

// Makes the providers of `models`. Those of one provider share `channels`, and
// so connections.
std::vector<std::unique_ptr<Provider>> OpenRemoteModels(
    const std::vector<RemoteModel>& models, const SharedParts& parts,
    Channels& channels) {
  std::vector<std::unique_ptr<Provider>> providers;
  for (const RemoteModel& model : models) {
    const ProviderSpec& spec = model.provider;
    std::vector<EndpointSpec> places = spec.fallbacks;
    places.insert(places.begin(), spec.endpoint);
    auto& of_provider = channels[spec.name];
    std::vector<Endpoint> endpoints;
    for (size_t i = 0; i < places.size(); ++i) {
      if (i == of_provider.size()) {
        of_provider.push_back(
            std::make_shared<HttpChannel>(spec.http, spec.limits.calls));
      }
      endpoints.push_back(
          {std::make_unique<HttpProvider>(model, places[i], of_provider[i]),
           model.spec.rate});
    }
    providers.push_back(WrapRemote(std::move(endpoints), parts));
  }
  return providers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelCatalog>> OpenModels(
    const EmbeddingOptions& options, const SharedParts& parts) {
  ASSIGN_OR_RETURN(auto static_model,
                   StaticModel::Open(options.ResolvedModelFile()));
  ASSIGN_OR_RETURN(const ProviderConfig config,
                   ReadProviderConfig(options.providers));
  Channels channels;
  std::vector<std::unique_ptr<Provider>> providers =
      OpenRemoteModels(config.models, parts, channels);
  providers.push_back(
      WrapLocal(std::make_unique<BuiltinProvider>(std::move(static_model)),
                parts.registry));
  const std::string default_model = config.default_model.empty()
                                        ? providers.back()->model().name
                                        : config.default_model;
  return ModelCatalog::Create(
      std::move(providers), default_model,
      OpenRemoteModels(config.rerankers, parts, channels));
}

}  // namespace engram::embedding
