#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDER_DECORATOR_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDER_DECORATOR_H_

#include <memory>
#include <utility>

#include "services/embedding/provider.h"

namespace engram::embedding {

// What is wrapped around a provider: describes itself as that does, and
// overrides Start.
class ProviderDecorator : public Provider {
 public:
  explicit ProviderDecorator(std::unique_ptr<Provider> next)
      : next_(std::move(next)) {}

  const Model& model() const override { return next_->model(); }
  CallLimits limits() const override { return next_->limits(); }
  RateLimits rate_limits() const override { return next_->rate_limits(); }
  bool is_local() const override { return next_->is_local(); }
  absl::Status health() const override { return next_->health(); }
  int CountTokens(absl::string_view text) const override {
    return next_->CountTokens(text);
  }
  bool counts_exactly() const override { return next_->counts_exactly(); }
  void Shutdown() override { next_->Shutdown(); }

 protected:
  Provider& next() { return *next_; }

 private:
  const std::unique_ptr<Provider> next_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDER_DECORATOR_H_
