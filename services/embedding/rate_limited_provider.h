#ifndef ENGRAM_SERVICES_EMBEDDING_RATE_LIMITED_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_RATE_LIMITED_PROVIDER_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/timers.h"
#include "services/embedding/provider_decorator.h"
#include "services/embedding/rate_limits.h"

namespace engram::embedding {

// Lets something happen at a steady rate, and what was saved up in a few
// seconds at once. Not thread-safe.
class RateBucket {
 public:
  explicit RateBucket(int64_t per_minute);

  // Returns when `amount` may happen, not before `now`.
  absl::Time WhenFree(absl::Time now) const;
  // Counts `amount`, which may be negative, as happening at `when`.
  void Take(double amount, absl::Time when);

 private:
  // Of one; zero is no limit.
  const absl::Duration interval_;
  // How far ahead of the rate it may be.
  const absl::Duration burst_;
  // When all that was taken has been earned.
  absl::Time paid_until_ = absl::InfinitePast();
};

// Keeps calls of one endpoint to its rate limits: one that comes too early
// waits, without a thread, in the order of the calls. After a 429 that says for
// how long, nothing is sent until then, for a minute at most. A call whose turn
// would come after its deadline gets `ResourceExhausted` at once, with the
// delay; one whose caller leaves is not sent.
//
// Tokens are guessed, and counted when the answer says how many there were.
class RateLimitedProvider : public ProviderDecorator {
 public:
  // `timers` must outlive this object.
  RateLimitedProvider(std::unique_ptr<Provider> next, RateLimits limits,
                      Timers& timers);

  RateLimits rate_limits() const override { return limits_; }
  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  // Finds the turn of a call of `tokens` tokens and counts the call.
  absl::StatusOr<absl::Time> Reserve(double tokens, const Caller& caller);
  // Sends `call`, or waits on if calls are held by now.
  void Send(const EmbedCall& call, double tokens, EmbedDone done);
  void Learn(const std::vector<EmbedResult>& results, double guessed_tokens);

  const RateLimits limits_;
  Timers& timers_;

  absl::Mutex mutex_;
  RateBucket requests_ ABSL_GUARDED_BY(mutex_);
  RateBucket tokens_ ABSL_GUARDED_BY(mutex_);
  // Nothing is sent before.
  absl::Time held_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_RATE_LIMITED_PROVIDER_H_
