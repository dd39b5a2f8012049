#ifndef ENGRAM_SERVICES_EMBEDDING_OBSERVED_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_OBSERVED_PROVIDER_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "services/embedding/availability_log.h"
#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Measures another provider, by provider and model: texts, tokens and what they
// cost, the time of calls and how many fail. Logs when it stops to work and
// when it works again, and tells by health() why not.
class ObservedProvider : public ProviderDecorator {
 public:
  // `registry` must outlive this object.
  ObservedProvider(std::unique_ptr<Provider> next,
                   prometheus::Registry& registry);

  absl::Status health() const override;
  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  void Observe(absl::Duration duration,
               const std::vector<EmbedResult>& results);

  AvailabilityLog log_;
  prometheus::Counter& texts_;
  prometheus::Counter& tokens_;
  prometheus::Counter& cost_;
  prometheus::Histogram& call_seconds_;
  prometheus::Family<prometheus::Counter>& failures_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_OBSERVED_PROVIDER_H_
