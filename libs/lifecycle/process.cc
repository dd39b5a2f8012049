#include "libs/lifecycle/process.h"

#include <malloc.h>

#include "absl/synchronization/mutex.h"

namespace engram::lifecycle {

void ConfigureProcess() {
  // Debian's Abseil looks for deadlocks at every lock, and holds one lock for
  // all of them meanwhile: some 5 % of a small call. Tests keep it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Messages of megabytes come and go. To give their memory back to the system
  // each time, and to get it again page by page, costs as much as what is done
  // with them.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

}  // namespace engram::lifecycle
