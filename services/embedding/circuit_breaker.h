#ifndef ENGRAM_SERVICES_EMBEDDING_CIRCUIT_BREAKER_H_
#define ENGRAM_SERVICES_EMBEDDING_CIRCUIT_BREAKER_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/clock.h"
#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Spares an endpoint that is down, and its callers the wait: after five calls
// in a row that failed (`Unavailable`, `DeadlineExceeded`, `Internal`) it
// opens, and calls get `Unavailable` at once, with the error that opened it.
// After a second it lets one call through; if that fails it stays open for
// twice as long, up to half a minute, else it closes.
//
// What does not tell whether the endpoint works, such as a refused text or a
// quota, changes nothing.
class CircuitBreaker : public ProviderDecorator {
 public:
  // `clock` must outlive this object.
  CircuitBreaker(std::unique_ptr<Provider> next, const Clock& clock)
      : ProviderDecorator(std::move(next)), clock_(clock) {}

  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  // Returns the error for a call that may not pass. One that may must be
  // followed by Learn.
  absl::Status Enter();
  void Learn(const std::vector<EmbedResult>& results);

  const Clock& clock_;

  absl::Mutex mutex_;
  // In a row.
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status last_failure_ ABSL_GUARDED_BY(mutex_);
  // Zero while it is closed.
  absl::Duration open_for_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  absl::Time open_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // Whether the one call that was let through is under way.
  bool is_probing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CIRCUIT_BREAKER_H_
