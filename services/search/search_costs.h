#ifndef ENGRAM_SERVICES_SEARCH_SEARCH_COSTS_H_
#define ENGRAM_SERVICES_SEARCH_SEARCH_COSTS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace engram::search {

// How long something takes that searches do over and over, learned from those
// that went before. Thread-safe; of two that learn at once, one may be lost.
class LearnedCost {
 public:
  // `guess`, in nanoseconds, holds until there is something to learn from.
  explicit LearnedCost(double guess)
      : nanoseconds_(static_cast<float>(guess)) {}

  // It was done `count` times in `took`. Few at once say little: what is around
  // them counts more.
  void Learn(int64_t count, absl::Duration took) {
    if (count < kFewest) return;
    const float known = nanoseconds();
    const double now =
        absl::ToDoubleNanoseconds(took) / static_cast<double>(count);
    // A thread that had to wait for a core, or a clock that was set, says
    // nothing about the cost.
    const double learned =
        std::clamp(now, known / kMostAtOnce, known * kMostAtOnce) - known;
    nanoseconds_.store(static_cast<float>(known + learned * kWeight),
                       std::memory_order_relaxed);
  }

  // Of one.
  float nanoseconds() const {
    return nanoseconds_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr int64_t kFewest = 16;
  static constexpr double kMostAtOnce = 4;
  static constexpr double kWeight = 1.0 / 8;

  std::atomic<float> nanoseconds_;
};

// What the ways to search an index cost, so that they can be told apart.
struct SearchCosts {
  explicit SearchCosts(int dimensions)
      : scanned(2 + 0.15 * dimensions),
        looked_up(20 + 0.2 * dimensions),
        code_looked_up(4 + 0.02 * dimensions),
        walked(12 + 0.12 * dimensions) {}

  // A vector, compared with in its turn.
  LearnedCost scanned;
  // A vector of a certain record, wherever it lies.
  LearnedCost looked_up;
  // The same, compared with its code.
  LearnedCost code_looked_up;
  // A node that a walk scores or keeps.
  LearnedCost walked;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SEARCH_COSTS_H_
