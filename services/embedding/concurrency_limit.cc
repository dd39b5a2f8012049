#include "services/embedding/concurrency_limit.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace engram::embedding {
namespace {

constexpr int kFirst = 2;
// How many calls may be thought to wait over there before fewer are sent, and
// below how many more are tried.
constexpr double kTooManyWaiting = 1.5;
constexpr double kFewWaiting = 0.5;
// How many calls in a row must not have waited before more are tried: one may
// have been lucky, and come just when the one before it ended.
constexpr int kProof = 3;
// After how many calls how long a call takes alone is measured again, after
// how many it is for the first time, and how many may go by until it is given
// up.
constexpr int kStale = 64;
constexpr int kWarmUp = 8;
constexpr int kPatience = 8;
// Weight of the newest time.
constexpr double kNewest = 0.2;

}  // namespace

ConcurrencyLimit::ConcurrencyLimit(int most)
    : most_(most),
      value_(std::min(kFirst, most)),
      calls_since_alone_(kStale - kWarmUp) {}

int ConcurrencyLimit::value() const {
  return calls_since_alone_ < kStale ? value_ : 1;
}

void ConcurrencyLimit::Learn(size_t texts, int under_way,
                             absl::Duration duration) {
  const size_t size = std::min<size_t>(
      std::bit_width(std::max<size_t>(texts, 1)) - 1, kSizes - 1);
  if (!std::exchange(is_warm_, true)) return;
  if (under_way == 1) {
    calls_since_alone_ = 0;
    absl::Duration& alone = alone_[size];
    alone = alone == absl::ZeroDuration()
                ? duration
                : alone * (1 - kNewest) + duration * kNewest;
    return;
  }
  // Where calls are full, others are always under way: then there is no use in
  // waiting for one that is alone.
  if (++calls_since_alone_ == kStale + kPatience) calls_since_alone_ = 0;
  // Of the nearest size that is known; a smaller call takes no longer.
  absl::Duration alone = absl::ZeroDuration();
  for (size_t i = size + 1; i-- > 0 && alone == absl::ZeroDuration();) {
    alone = alone_[i];
  }
  if (alone == absl::ZeroDuration() || duration <= absl::ZeroDuration()) return;
  const double waiting =
      under_way * (1 - std::min(1.0, absl::FDivDuration(alone, duration)));
  if (waiting > kTooManyWaiting) {
    value_ = std::max(std::min(kFirst, most_), value_ - 1);
  }
  if (waiting >= kFewWaiting) {
    unhindered_ = 0;
  } else if (under_way >= value_ && ++unhindered_ == kProof) {
    unhindered_ = 0;
    value_ = std::min(most_, value_ + 1);
  }
}

}  // namespace engram::embedding
