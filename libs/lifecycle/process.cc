#include "libs/lifecycle/process.h"

#ifdef ENGRAM_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "absl/synchronization/mutex.h"

namespace engram::lifecycle {

void ConfigureProcess() {
  // Debian's Abseil looks for deadlocks at every lock, and holds one lock for
  // all of them meanwhile: some 5 % of a small call. Tests keep it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#ifdef ENGRAM_JEMALLOC
  // Messages of some hundred bytes to megabytes come and go: jemalloc takes a
  // fifth less time for a call than the C library's allocator, which gives
  // large ones back to the system each time. This gives back what was not used
  // for ten seconds also while the process is idle.
  bool on = true;
  mallctl("background_thread", nullptr, nullptr, &on, sizeof(on));
#endif
}

}  // namespace engram::lifecycle
