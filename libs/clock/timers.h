#ifndef ENGRAM_LIBS_CLOCK_TIMERS_H_
#define ENGRAM_LIBS_CLOCK_TIMERS_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "libs/clock/clock.h"

namespace engram {

// Runs tasks later, so that a pause costs no thread. Components take a
// `Timers&`, so that a test can let the time pass. Thread-safe.
class Timers {
 public:
  using Id = uint64_t;

  virtual ~Timers() = default;

  // The clock that decides when a task is due.
  virtual const Clock& clock() const = 0;

  // Runs `task` once `when` has come, in a thread of the timers; never before
  // RunAt returns. All tasks share that thread, so they must be short.
  virtual Id RunAt(absl::Time when, absl::AnyInvocable<void()> task) = 0;

  // Drops the task; false if it runs or has run. Does not wait for one that
  // runs.
  virtual bool Cancel(Id id) = 0;

  // One thread on the machine's clock. Ended with tasks that are not due, it
  // drops them.
  static std::unique_ptr<Timers> MakeReal();
};

}  // namespace engram

#endif  // ENGRAM_LIBS_CLOCK_TIMERS_H_
