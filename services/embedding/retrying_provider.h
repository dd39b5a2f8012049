#ifndef ENGRAM_SERVICES_EMBEDDING_RETRYING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_RETRYING_PROVIDER_H_

#include <memory>

#include "libs/clock/timers.h"
#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Tries texts again whose error may pass: `Unavailable`, `DeadlineExceeded`,
// `ResourceExhausted`, `Internal`; five times in all. It is the one place that
// decides on retries; a repeat is safe, but for its price.
//
// Pauses between tries, without a thread: as long as the error asks for, else
// somewhat at random, from some hundred milliseconds on and twice as long each
// time. A pause that would outlast the caller's deadline is not begun: the
// caller gets the error at once. So does one that leaves.
class RetryingProvider : public ProviderDecorator {
 public:
  // `timers` must outlive this object.
  RetryingProvider(std::unique_ptr<Provider> next, Timers& timers)
      : ProviderDecorator(std::move(next)), timers_(timers) {}

  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  class Work;

  Timers& timers_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_RETRYING_PROVIDER_H_
