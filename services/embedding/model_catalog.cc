#include "services/embedding/model_catalog.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

const std::string& NameOf(const std::unique_ptr<Provider>& provider) {
  return provider->model().name;
}

std::string ListNames(const std::vector<std::unique_ptr<Provider>>& providers) {
  return absl::StrJoin(providers, ", ",
                       [](std::string* out, const auto& provider) {
                         out->append(NameOf(provider));
                       });
}

absl::StatusOr<Provider*> FindIn(
    const std::vector<std::unique_ptr<Provider>>& providers,
    absl::string_view name) {
  for (const auto& provider : providers) {
    if (NameOf(provider) == name) return provider.get();
  }
  const std::string models = ListNames(providers);
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_MODEL_UNKNOWN,
      absl::StrCat("no model is called ", name, "; there are: ", models),
      {{"model", name}, {"models", models}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelCatalog>> ModelCatalog::Create(
    std::vector<std::unique_ptr<Provider>> providers,
    absl::string_view default_model,
    std::vector<std::unique_ptr<Provider>> rerankers) {
  std::sort(providers.begin(), providers.end(),
            [](const auto& a, const auto& b) { return NameOf(a) < NameOf(b); });
  const auto twice = std::adjacent_find(
      providers.begin(), providers.end(),
      [](const auto& a, const auto& b) { return NameOf(a) == NameOf(b); });
  if (twice != providers.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "two models have the name ", NameOf(*twice), "; rename one"));
  }
  const auto found = std::find_if(
      providers.begin(), providers.end(),
      [&](const auto& provider) { return NameOf(provider) == default_model; });
  if (found == providers.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the default model ", default_model,
                     " is not among the models: ", ListNames(providers)));
  }
  Provider* const default_provider = found->get();
  return absl::WrapUnique(new ModelCatalog(
      std::move(providers), default_provider, std::move(rerankers)));
}

ModelCatalog::ModelCatalog(std::vector<std::unique_ptr<Provider>> providers,
                           Provider* default_provider,
                           std::vector<std::unique_ptr<Provider>> rerankers)
    : providers_(std::move(providers)),
      default_(default_provider),
      rerankers_(std::move(rerankers)) {}

absl::StatusOr<Provider*> ModelCatalog::Find(absl::string_view name) const {
  if (name.empty()) return default_;
  return FindIn(providers_, name);
}

absl::StatusOr<Provider*> ModelCatalog::FindReranker(
    absl::string_view name) const {
  if (rerankers_.empty()) {
    return MakeError(absl::StatusCode::kNotFound,
                     common::v1::ERROR_REASON_MODEL_UNKNOWN,
                     "no model that reranks is configured; name one under use "
                     "in the providers' file",
                     {{"model", name}});
  }
  if (name.empty()) return rerankers_.front().get();
  return FindIn(rerankers_, name);
}

void ModelCatalog::Shutdown() const {
  for (const auto& provider : providers_) provider->Shutdown();
  for (const auto& provider : rerankers_) provider->Shutdown();
}

Provider* ModelCatalog::FindByFingerprint(absl::string_view fingerprint) const {
  for (const auto& provider : providers_) {
    if (provider->model().fingerprint == fingerprint) return provider.get();
  }
  return nullptr;
}

}  // namespace engram::embedding
