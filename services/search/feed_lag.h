#ifndef ENGRAM_SERVICES_SEARCH_FEED_LAG_H_
#define ENGRAM_SERVICES_SEARCH_FEED_LAG_H_

#include <chrono>

#include "absl/time/time.h"

namespace engram::search {

// How long ago a follower was last known to have all that storage has.
//
// By a clock that nobody sets, and never by storage's: what the two differ in
// is no lag. Not thread-safe.
class FeedLag {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Storage gives a sign of life every 10 s; a feed that is silent for longer
  // than this tells nothing any more.
  static constexpr absl::Duration kPatience = absl::Seconds(12);

  // The follower is not current before it has heard so.
  explicit FeedLag(Time created) : current_at_(created) {}

  // The feed told how far storage is; `is_current` if all of it is applied.
  void Heard(Time now, bool is_current) {
    if (is_current || IsCurrent(now)) current_at_ = now;
    is_current_ = is_current;
    heard_at_ = now;
  }

  // There is something that is not applied, or the feed has ended.
  void FallBehind(Time now) {
    if (IsCurrent(now)) current_at_ = now;
    is_current_ = false;
  }

  // 0 while the follower is current.
  absl::Duration At(Time now) const {
    if (IsCurrent(now)) return absl::ZeroDuration();
    return absl::FromChrono(now - current_at_);
  }

 private:
  bool IsCurrent(Time now) const {
    return is_current_ && absl::FromChrono(now - heard_at_) <= kPatience;
  }

  Time current_at_;
  Time heard_at_;
  bool is_current_ = false;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_FEED_LAG_H_
