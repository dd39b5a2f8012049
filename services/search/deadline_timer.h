#ifndef ENGRAM_SERVICES_SEARCH_DEADLINE_TIMER_H_
#define ENGRAM_SERVICES_SEARCH_DEADLINE_TIMER_H_

#include <cstdint>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/steady_cond_var.h"

namespace engram::search {

// Calls back at given times, from one thread for all, so that a call that waits
// costs memory and no thread. What the system clock is set to meanwhile changes
// nothing: as much time passes as it was to be. Thread-safe.
class DeadlineTimer {
 public:
  // Names one callback; later is never reused.
  struct Ticket {
    SteadyCondVar::Time when;
    uint64_t number = 0;

    friend bool operator<(const Ticket& a, const Ticket& b) {
      return std::pair(a.when, a.number) < std::pair(b.when, b.number);
    }
  };

  DeadlineTimer();
  // Drops the callbacks that are not due and joins the thread.
  ~DeadlineTimer();

  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  // Runs `callback` at `when` or soon after, at once if that is past. It must
  // be short: the others wait for it.
  Ticket At(absl::Time when, absl::AnyInvocable<void()> callback);

  // Drops a callback; one that runs or has run is no error.
  void Cancel(const Ticket& ticket);

  // Returns once no callback runs that had begun before. For those who are
  // about to destroy what a callback uses; not to be called by a callback.
  void WaitForRunning();

 private:
  void Run();
  // Waits for the next callback that is due and runs it; false to stop.
  bool RunOnce();

  absl::Mutex mutex_;
  SteadyCondVar changed_;
  std::map<Ticket, absl::AnyInvocable<void()>> callbacks_
      ABSL_GUARDED_BY(mutex_);
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 0;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DEADLINE_TIMER_H_
