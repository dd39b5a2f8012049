#ifndef ENGRAM_SERVICES_EMBEDDING_CHECKED_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_CHECKED_PROVIDER_H_

#include <memory>
#include <vector>

#include "services/embedding/provider.h"

namespace engram::embedding {

// Lets only those answers of another provider pass that keep its promise: one
// vector a text, of the model's dimensions, finite, and of unit length where
// the model says so. `Internal` otherwise: a wrong vector that is stored would
// spoil searches without a trace. An empty text never reaches the provider:
// `InvalidArgument`.
class CheckedProvider : public Provider {
 public:
  explicit CheckedProvider(std::unique_ptr<Provider> provider);

  const Model& model() const override { return provider_->model(); }
  CallLimits limits() const override { return provider_->limits(); }
  bool is_local() const override { return provider_->is_local(); }
  int CountTokens(absl::string_view text) const override {
    return provider_->CountTokens(text);
  }
  absl::StatusOr<std::vector<EmbeddedText>> Embed(
      absl::Span<const absl::string_view> texts, Purpose purpose) override;

 private:
  const std::unique_ptr<Provider> provider_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CHECKED_PROVIDER_H_
