#ifndef ENGRAM_LIBS_CLOCK_TESTING_FAKE_TIMERS_H_
#define ENGRAM_LIBS_CLOCK_TESTING_FAKE_TIMERS_H_

#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/clock/timers.h"

namespace engram::testing {

// A fake: time passes only in Advance, which runs the tasks that fall due, in
// their order, each at its own time.
class FakeTimers : public Timers {
 public:
  FakeTimers() = default;
  // The clock begins at `now`.
  explicit FakeTimers(absl::Time now) : clock_(now) {}

  const Clock& clock() const override { return clock_; }

  Id RunAt(absl::Time when, absl::AnyInvocable<void()> task) override {
    absl::MutexLock lock(&mutex_);
    tasks_.emplace(std::pair(when, ++last_id_), std::move(task));
    return last_id_;
  }

  bool Cancel(Id id) override {
    absl::AnyInvocable<void()> dropped;
    absl::MutexLock lock(&mutex_);
    for (auto task = tasks_.begin(); task != tasks_.end(); ++task) {
      if (task->first.second != id) continue;
      dropped = std::move(task->second);
      tasks_.erase(task);
      return true;
    }
    return false;
  }

  void Advance(absl::Duration duration) {
    const absl::Time end = clock_.Now() + duration;
    while (auto task = Take(end)) task();
    clock_.Advance(end - clock_.Now());
  }

  // How many tasks wait.
  size_t waiting() const {
    absl::MutexLock lock(&mutex_);
    return tasks_.size();
  }

 private:
  absl::AnyInvocable<void()> Take(absl::Time end) {
    absl::MutexLock lock(&mutex_);
    if (tasks_.empty() || tasks_.begin()->first.first > end) return nullptr;
    const auto first = tasks_.begin();
    if (first->first.first > clock_.Now()) {
      clock_.Advance(first->first.first - clock_.Now());
    }
    auto task = std::move(first->second);
    tasks_.erase(first);
    return task;
  }

  FakeClock clock_;
  mutable absl::Mutex mutex_;
  std::map<std::pair<absl::Time, Id>, absl::AnyInvocable<void()>> tasks_
      ABSL_GUARDED_BY(mutex_);
  Id last_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::testing

#endif  // ENGRAM_LIBS_CLOCK_TESTING_FAKE_TIMERS_H_
