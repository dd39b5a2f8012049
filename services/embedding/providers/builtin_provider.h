#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_BUILTIN_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_BUILTIN_PROVIDER_H_

#include <memory>
#include <optional>

#include "services/embedding/provider.h"
#include "services/embedding/static_model.h"

namespace engram::embedding {

// Embeds with the static model that ships with Engram: no key, no network.
class BuiltinProvider : public Provider {
 public:
  explicit BuiltinProvider(std::unique_ptr<StaticModel> static_model);

  const Model& model() const override { return model_; }
  bool is_local() const override { return true; }
  int CountTokens(absl::string_view text) const override;
  bool counts_exactly() const override { return true; }
  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  const std::unique_ptr<StaticModel> static_model_;
  const Model model_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_BUILTIN_PROVIDER_H_
