#ifndef ENGRAM_SERVICES_EMBEDDING_MODEL_CATALOG_H_
#define ENGRAM_SERVICES_EMBEDDING_MODEL_CATALOG_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// The models that this process can call, each behind its provider: those that
// embed, and those that rerank.
//
// Immutable, so thread-safe.
class ModelCatalog {
 public:
  // The model named `default_model` is what an empty name means; of the
  // rerankers it is the first. `InvalidArgument` if it is not among the
  // providers, or two have the same name.
  static absl::StatusOr<std::unique_ptr<ModelCatalog>> Create(
      std::vector<std::unique_ptr<Provider>> providers,
      absl::string_view default_model,
      std::vector<std::unique_ptr<Provider>> rerankers = {});

  // Returns the provider of the model `name`, or of the default model if that
  // is empty. `NotFound`, reason MODEL_UNKNOWN, lists the models there are.
  absl::StatusOr<Provider*> Find(absl::string_view name) const;

  // The same for models that rerank.
  absl::StatusOr<Provider*> FindReranker(absl::string_view name) const;

  // Returns the provider whose vectors have `fingerprint`, or null.
  Provider* FindByFingerprint(absl::string_view fingerprint) const;

  // All providers, by the names of their models.
  const std::vector<std::unique_ptr<Provider>>& providers() const {
    return providers_;
  }
  // All that rerank, as they were given.
  const std::vector<std::unique_ptr<Provider>>& rerankers() const {
    return rerankers_;
  }
  // Ends the calls of all of them; see Provider.
  void Shutdown() const;
  const Model& default_model() const { return default_->model(); }

 private:
  ModelCatalog(std::vector<std::unique_ptr<Provider>> providers,
               Provider* default_provider,
               std::vector<std::unique_ptr<Provider>> rerankers);

  const std::vector<std::unique_ptr<Provider>> providers_;
  Provider* const default_;
  const std::vector<std::unique_ptr<Provider>> rerankers_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_MODEL_CATALOG_H_
