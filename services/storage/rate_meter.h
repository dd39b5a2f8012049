#ifndef ENGRAM_SERVICES_STORAGE_RATE_METER_H_
#define ENGRAM_SERVICES_STORAGE_RATE_METER_H_

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace engram::storage {

// How often something happened in the last minute. Not thread-safe.
class RateMeter {
 public:
  void Note(absl::Time now, int64_t count);

  // Per second, over the last minute, or since the first Note if that was
  // later, but over a second at least.
  double PerSecond(absl::Time now) const;

 private:
  static constexpr int64_t kSeconds = 60;

  struct Second {
    // Since 1970; 0 if nothing happened.
    int64_t second = 0;
    int64_t count = 0;
  };

  // By the second, modulo their number.
  std::array<Second, kSeconds> seconds_;
  absl::Time first_ = absl::InfiniteFuture();
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RATE_METER_H_
