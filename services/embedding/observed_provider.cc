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

}  // namespace

ObservedProvider::ObservedProvider(std::unique_ptr<Provider> provider,
                                   prometheus::Registry& registry)
    : provider_(std::move(provider)),
      log_(model().name),
      texts_(CounterFamily(registry, "engram_embedding_texts_total",
                           "Texts that were embedded.")
                 .Add({{"model", model().name}})),
      tokens_(CounterFamily(registry, "engram_embedding_tokens_total",
                            "Tokens that models read.")
                  .Add({{"model", model().name}})),
      call_seconds_(prometheus::BuildHistogram()
                        .Name("engram_embedding_call_seconds")
                        .Help("How long a call of a provider took.")
                        .Register(registry)
                        .Add({{"model", model().name}}, kCallSeconds)),
      failures_(CounterFamily(registry, "engram_embedding_call_failures_total",
                              "Calls of a provider that failed.")) {}

absl::StatusOr<std::vector<EmbeddedText>> ObservedProvider::Embed(
    absl::Span<const absl::string_view> texts, Purpose purpose) {
  const absl::Time start = absl::Now();
  auto answer = provider_->Embed(texts, purpose);
  call_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start));
  // A refused text is the caller's matter.
  const bool works = answer.ok() || absl::IsInvalidArgument(answer.status());
  log_.Report(works ? absl::OkStatus() : answer.status());
  if (!answer.ok()) {
    failures_
        .Add({{"model", model().name},
              {"code", absl::StatusCodeToString(answer.status().code())}})
        .Increment();
    return answer;
  }
  int64_t tokens = 0;
  for (const EmbeddedText& embedded : *answer) tokens += embedded.tokens;
  texts_.Increment(answer->size());
  tokens_.Increment(tokens);
  return answer;
}

}  // namespace engram::embedding
