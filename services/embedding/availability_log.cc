#include "services/embedding/availability_log.h"

#include "absl/time/clock.h"
#include "libs/log/log.h"

namespace engram::embedding {

void AvailabilityLog::Report(const absl::Status& status) {
  if (status.ok() && works_) return;
  absl::MutexLock lock(&mutex_);
  works_ = status.ok();
  last_ = status;
  const bool was_failing = failing_since_ != absl::InfiniteFuture();
  if (status.ok() != was_failing) return;
  if (was_failing) {
    log::Info("works again",
              {{"what", name_},
               {"failed_for_seconds",
                absl::ToDoubleSeconds(absl::Now() - failing_since_)}});
    failing_since_ = absl::InfiniteFuture();
  } else {
    failing_since_ = absl::Now();
    log::Warning("does not work; it is tried until it does",
                 {{"what", name_}, {"error", status}});
  }
}

absl::Status AvailabilityLog::last() const {
  absl::MutexLock lock(&mutex_);
  return last_;
}

}  // namespace engram::embedding
