#ifndef ENGRAM_LIBS_CLOCK_CLOCK_H_
#define ENGRAM_LIBS_CLOCK_CLOCK_H_

#include "absl/time/time.h"

namespace engram {

// Tells the time. Components take a `Clock&`, so that a test can decide when a
// lease ends. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // The machine's clock; lives for ever.
  static const Clock& Real();
};

}  // namespace engram

#endif  // ENGRAM_LIBS_CLOCK_CLOCK_H_
