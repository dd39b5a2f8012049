#include "services/embedding/observed_provider.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace engram::embedding {
namespace {

// From one short text of the built-in model to a slow remote call.
const prometheus::Histogram::BucketBoundaries kCallSeconds = {
    0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01,
    0.03,    0.1,     0.3,    1,      3,     10,    30};

prometheus::Family<prometheus::Counter>& CounterFamily(
    prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Labels LabelsOf(const Model& model) {
  return {{"provider", model.provider}, {"model", model.name}};
}

// What a call says of its provider: OK if it works. That of a refused text is
// the caller's matter, and so is leaving.
absl::Status VerdictOf(const std::vector<EmbedResult>& results) {
  for (const EmbedResult& result : results) {
    const absl::Status& status = result.status();
    if (!status.ok() && !absl::IsInvalidArgument(status) &&
        !absl::IsAborted(status)) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

ObservedProvider::ObservedProvider(std::unique_ptr<Provider> next,
                                   prometheus::Registry& registry)
    : ProviderDecorator(std::move(next)),
      log_(model().name),
      texts_(CounterFamily(registry, "engram_embedding_texts_total",
                           "Texts that were embedded.")
                 .Add(LabelsOf(model()))),
      tokens_(CounterFamily(registry, "engram_embedding_tokens_total",
                            "Tokens that models read.")
                  .Add(LabelsOf(model()))),
      cost_(CounterFamily(registry, "engram_embedding_cost_usd_total",
                          "US dollars that calls cost, by the prices in the "
                          "providers' file.")
                .Add(LabelsOf(model()))),
      call_seconds_(prometheus::BuildHistogram()
                        .Name("engram_embedding_call_seconds")
                        .Help("How long a call of a provider took.")
                        .Register(registry)
                        .Add(LabelsOf(model()), kCallSeconds)),
      failures_(CounterFamily(registry, "engram_embedding_call_failures_total",
                              "Calls of a provider that failed.")) {}

absl::Status ObservedProvider::health() const {
  const absl::Status inner = ProviderDecorator::health();
  return inner.ok() ? log_.last() : inner;
}

void ObservedProvider::Start(const EmbedCall& call, EmbedDone done) {
  next().Start(call, [this, start = absl::Now(), done = std::move(done)](
                         std::vector<EmbedResult> results) mutable {
    Observe(absl::Now() - start, results);
    done(std::move(results));
  });
}

void ObservedProvider::Observe(absl::Duration duration,
                               const std::vector<EmbedResult>& results) {
  const absl::Status verdict = VerdictOf(results);
  // It was not asked.
  if (absl::IsCancelled(verdict)) return;
  call_seconds_.Observe(absl::ToDoubleSeconds(duration));
  log_.Report(verdict);
  int64_t texts = 0;
  int64_t tokens = 0;
  double cost = 0;
  absl::Status failure;
  for (const EmbedResult& result : results) {
    failure.Update(result.status());
    if (!result.ok()) continue;
    ++texts;
    tokens += result->tokens;
    cost += result->spent.cost_usd;
  }
  texts_.Increment(static_cast<double>(texts));
  tokens_.Increment(static_cast<double>(tokens));
  cost_.Increment(cost);
  if (failure.ok()) return;
  prometheus::Labels labels = LabelsOf(model());
  labels["code"] = absl::StatusCodeToString(failure.code());
  failures_.Add(labels).Increment();
}

}  // namespace engram::embedding
