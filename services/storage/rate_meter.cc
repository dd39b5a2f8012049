#include "services/storage/rate_meter.h"

#include <algorithm>

namespace engram::storage {

void RateMeter::Note(absl::Time now, int64_t count) {
  const int64_t second = absl::ToUnixSeconds(now);
  first_ = std::min(first_, now);
  Second& place = seconds_[static_cast<size_t>(second % kSeconds)];
  if (place.second != second) place = {.second = second};
  place.count += count;
}

double RateMeter::PerSecond(absl::Time now) const {
  const int64_t oldest = absl::ToUnixSeconds(now) - kSeconds;
  int64_t count = 0;
  for (const Second& place : seconds_) {
    if (place.second > oldest) count += place.count;
  }
  const double measured =
      std::clamp(absl::ToDoubleSeconds(now - first_), 1.0, double{kSeconds});
  return static_cast<double>(count) / measured;
}

}  // namespace engram::storage
