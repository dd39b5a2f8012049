#ifndef ENGRAM_LIBS_CLOCK_STEADY_COND_VAR_H_
#define ENGRAM_LIBS_CLOCK_STEADY_COND_VAR_H_

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram {

// As absl::CondVar, but by a clock that nobody sets: Abseil's own timed waits
// go by the system clock, and last longer by as much as that is set back.
// Thread-safe.
class SteadyCondVar {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // When `duration` has passed, which is cut off at some years.
  static Time After(absl::Duration duration) {
    constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 10);
    return std::chrono::steady_clock::now() +
           absl::ToChronoNanoseconds(std::min(duration, kLongest));
  }

  // Wakes one that waits.
  void Signal() { changed_.notify_one(); }

  // Lets `mutex` go until a signal, or `when`, or for no reason.
  void WaitUntil(absl::Mutex* mutex, Time when)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Lockable lockable{mutex};
    changed_.wait_until(lockable, when);
  }

 private:
  // `std` has other names for the same.
  struct Lockable {
    void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex->Lock(); }
    void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex->Unlock(); }
    absl::Mutex* mutex;
  };

  std::condition_variable_any changed_;
};

}  // namespace engram

#endif  // ENGRAM_LIBS_CLOCK_STEADY_COND_VAR_H_
