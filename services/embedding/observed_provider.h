#ifndef ENGRAM_SERVICES_EMBEDDING_OBSERVED_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_OBSERVED_PROVIDER_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <vector>

#include "services/embedding/availability_log.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// Measures another provider, by model: texts, tokens, the time of calls and how
// many fail. Logs when it stops to work and when it works again.
class ObservedProvider : public Provider {
 public:
  // `registry` must outlive this object.
  ObservedProvider(std::unique_ptr<Provider> provider,
                   prometheus::Registry& registry);

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
  AvailabilityLog log_;
  prometheus::Counter& texts_;
  prometheus::Counter& tokens_;
  prometheus::Histogram& call_seconds_;
  prometheus::Family<prometheus::Counter>& failures_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_OBSERVED_PROVIDER_H_
