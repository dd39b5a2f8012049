#include "services/embedding/rate_limited_provider.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

// A sixth of a minute's calls may come at once: some providers count by the
// second, and a burst that all of them took would not be one.
constexpr int kBurstSeconds = 10;
// What is asked for may be a day; but somebody may have paid in the meantime.
constexpr absl::Duration kMaxHold = absl::Minutes(1);
// English has about four.
constexpr double kBytesPerToken = 4;

double GuessTokens(const EmbedCall& call) {
  double bytes = 0;
  for (const absl::string_view text : call.texts) {
    bytes += static_cast<double>(text.size());
  }
  return bytes / kBytesPerToken + static_cast<double>(call.texts.size());
}

absl::Status TooBusy(const std::string& model, absl::Duration delay) {
  return WithRetryDelay(
      MakeError(absl::StatusCode::kResourceExhausted,
                common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE,
                absl::StrCat("model ", model,
                             ": its rate limit is used up beyond the call's "
                             "deadline; retry in ",
                             absl::FormatDuration(delay)),
                {{"model", model}}),
      delay);
}

}  // namespace

RateBucket::RateBucket(int64_t per_minute)
    : interval_(per_minute == 0
                    ? absl::ZeroDuration()
                    : absl::Minutes(1) / static_cast<double>(per_minute)),
      burst_(per_minute == 0 ? absl::ZeroDuration()
                             : absl::Seconds(kBurstSeconds)) {}

absl::Time RateBucket::WhenFree(absl::Time now) const {
  return std::max(now, paid_until_ - burst_);
}

void RateBucket::Take(double amount, absl::Time when) {
  paid_until_ = std::max(paid_until_, when) + interval_ * amount;
}

RateLimitedProvider::RateLimitedProvider(std::unique_ptr<Provider> next,
                                         RateLimits limits, Timers& timers)
    : ProviderDecorator(std::move(next)),
      limits_(limits),
      timers_(timers),
      requests_(limits.requests),
      tokens_(limits.tokens) {}

void RateLimitedProvider::Start(const EmbedCall& call, EmbedDone done) {
  const double tokens = GuessTokens(call);
  const auto turn = Reserve(tokens, *call.caller);
  if (!turn.ok()) return done(FailAll(call.texts.size(), turn.status()));
  if (*turn <= timers_.clock().Now()) {
    return Send(call, tokens, std::move(done));
  }
  PauseUntil(timers_, call.caller, *turn,
             [this, call, tokens, done = std::move(done)]() mutable {
               Send(call, tokens, std::move(done));
             });
}

absl::StatusOr<absl::Time> RateLimitedProvider::Reserve(double tokens,
                                                        const Caller& caller) {
  const absl::Time now = timers_.clock().Now();
  absl::MutexLock lock(&mutex_);
  const absl::Time turn =
      std::max({requests_.WhenFree(now), tokens_.WhenFree(now), held_until_});
  if (turn > now && turn >= caller.deadline()) {
    return TooBusy(model().name, turn - now);
  }
  requests_.Take(1, turn);
  tokens_.Take(tokens, turn);
  return turn;
}

void RateLimitedProvider::Send(const EmbedCall& call, double tokens,
                               EmbedDone done) {
  const absl::Time now = timers_.clock().Now();
  const absl::Status wanted = call.caller->StillWaits(now);
  if (!wanted.ok()) return done(FailAll(call.texts.size(), wanted));
  absl::Time held_until;
  {
    absl::MutexLock lock(&mutex_);
    held_until = held_until_;
  }
  if (held_until > now) {
    if (held_until >= call.caller->deadline()) {
      return done(
          FailAll(call.texts.size(), TooBusy(model().name, held_until - now)));
    }
    return PauseUntil(timers_, call.caller, held_until,
                      [this, call, tokens, done = std::move(done)]() mutable {
                        Send(call, tokens, std::move(done));
                      });
  }
  next().Start(call, [this, tokens, done = std::move(done)](
                         std::vector<EmbedResult> results) mutable {
    Learn(results, tokens);
    done(std::move(results));
  });
}

void RateLimitedProvider::Learn(const std::vector<EmbedResult>& results,
                                double guessed_tokens) {
  double tokens = 0;
  bool answered = true;
  absl::Duration delay = absl::ZeroDuration();
  for (const EmbedResult& result : results) {
    if (result.ok()) {
      tokens += result->tokens;
      continue;
    }
    answered = false;
    if (absl::IsResourceExhausted(result.status())) {
      delay = RetryDelayOf(result.status()).value_or(absl::ZeroDuration());
    }
  }
  const absl::Time now = timers_.clock().Now();
  absl::MutexLock lock(&mutex_);
  if (answered) tokens_.Take(tokens - guessed_tokens, now);
  held_until_ = std::max(held_until_, now + std::min(delay, kMaxHold));
}

}  // namespace engram::embedding
