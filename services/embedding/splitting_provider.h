#ifndef ENGRAM_SERVICES_EMBEDDING_SPLITTING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_SPLITTING_PROVIDER_H_

#include <memory>
#include <vector>

#include "services/embedding/provider.h"

namespace engram::embedding {

// Lets another provider be called with any number of texts: makes calls, one
// after the other, that keep to its limits on texts, tokens and bytes. A text
// that is beyond a limit by itself goes alone, for the provider to refuse.
//
// Tokens are guessed from bytes, as there is no tokenizer for most models: one
// for every two bytes, where English has four and Chinese some two to three. So
// calls are rather too small than too large; what has more tokens still, such
// as random letters, the provider refuses as too long.
//
// Fails with the first call that fails; vectors of those before are lost. What
// names a text names it by its place in all of them.
class SplittingProvider : public Provider {
 public:
  explicit SplittingProvider(std::unique_ptr<Provider> provider);

  const Model& model() const override { return provider_->model(); }
  // Of one call: what is beyond becomes several.
  CallLimits limits() const override { return limits_; }
  bool is_local() const override { return provider_->is_local(); }
  int CountTokens(absl::string_view text) const override {
    return provider_->CountTokens(text);
  }
  absl::StatusOr<std::vector<EmbeddedText>> Embed(
      absl::Span<const absl::string_view> texts, Purpose purpose) override;

 private:
  // How many of `texts` the next call takes; at least one.
  size_t CountFitting(absl::Span<const absl::string_view> texts) const;

  const std::unique_ptr<Provider> provider_;
  const CallLimits limits_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_SPLITTING_PROVIDER_H_
