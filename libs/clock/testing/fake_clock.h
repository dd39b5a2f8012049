#ifndef ENGRAM_LIBS_CLOCK_TESTING_FAKE_CLOCK_H_
#define ENGRAM_LIBS_CLOCK_TESTING_FAKE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/clock.h"

namespace engram::testing {

// A fake: stands still until a test moves it, backwards too.
class FakeClock : public Clock {
 public:
  explicit FakeClock(absl::Time now = absl::FromUnixSeconds(1'800'000'000))
      : now_(now) {}

  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }

  void Advance(absl::Duration duration) {
    absl::MutexLock lock(&mutex_);
    now_ += duration;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::testing

#endif  // ENGRAM_LIBS_CLOCK_TESTING_FAKE_CLOCK_H_
