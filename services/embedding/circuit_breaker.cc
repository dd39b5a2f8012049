#include "services/embedding/circuit_breaker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

constexpr int kMaxFailures = 5;
constexpr absl::Duration kFirstOpen = absl::Seconds(1);
constexpr absl::Duration kMaxOpen = absl::Seconds(30);
// Until when the call that was let through will most likely have ended.
constexpr absl::Duration kProbeDelay = absl::Seconds(1);

enum class Verdict { kWorks, kFails, kUnknown };

Verdict Judge(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInternal:
      return Verdict::kFails;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kResourceExhausted:
      return Verdict::kUnknown;
    default:
      return Verdict::kWorks;
  }
}

}  // namespace

void CircuitBreaker::Start(const EmbedCall& call, EmbedDone done) {
  const absl::Status entered = Enter();
  if (!entered.ok()) return done(FailAll(call.texts.size(), entered));
  next().Start(call, [this, done = std::move(done)](
                         std::vector<EmbedResult> results) mutable {
    Learn(results);
    done(std::move(results));
  });
}

absl::Status CircuitBreaker::Enter() {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  if (open_for_ == absl::ZeroDuration()) return absl::OkStatus();
  if (now >= open_until_ && !is_probing_) {
    is_probing_ = true;
    return absl::OkStatus();
  }
  const absl::Duration delay =
      now < open_until_ ? open_until_ - now : kProbeDelay;
  return WithRetryDelay(
      MakeError(
          absl::StatusCode::kUnavailable,
          common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE,
          absl::StrCat("not called, for ", failures_,
                       " calls in a row failed: ", last_failure_.message()),
          {{"model", model().name}}),
      delay);
}

void CircuitBreaker::Learn(const std::vector<EmbedResult>& results) {
  const absl::Status& status =
      results.empty() ? absl::OkStatus() : results.front().status();
  const Verdict verdict = Judge(status);
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  const bool was_open = open_for_ > absl::ZeroDuration();
  // While it is open only the one call counts; those from before it opened are
  // old news.
  if (was_open && !is_probing_) return;
  is_probing_ = false;
  if (verdict == Verdict::kUnknown) return;
  if (verdict == Verdict::kWorks) {
    failures_ = 0;
    open_for_ = absl::ZeroDuration();
    return;
  }
  ++failures_;
  last_failure_ = status;
  if (was_open) {
    open_for_ = std::min(2 * open_for_, kMaxOpen);
  } else if (failures_ >= kMaxFailures) {
    open_for_ = kFirstOpen;
  } else {
    return;
  }
  open_until_ = now + open_for_;
}

}  // namespace engram::embedding
