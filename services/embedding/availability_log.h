#ifndef ENGRAM_SERVICES_EMBEDDING_AVAILABILITY_LOG_H_
#define ENGRAM_SERVICES_EMBEDDING_AVAILABILITY_LOG_H_

#include <atomic>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::embedding {

// Logs when something that is tried again and again stops to work, and when it
// works again: a line a change, not a line a try.
//
// Thread-safe.
class AvailabilityLog {
 public:
  // `name` is what the log calls it.
  explicit AvailabilityLog(absl::string_view name) : name_(name) {}

  // Tells how a try ended.
  void Report(const absl::Status& status);

  // Returns how the last try ended; OK before the first.
  absl::Status last() const;

 private:
  const std::string name_;

  // Asked for by every call, which mostly finds nothing new.
  std::atomic<bool> works_ = true;
  mutable absl::Mutex mutex_;
  // InfiniteFuture while it works.
  absl::Time failing_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Status last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_AVAILABILITY_LOG_H_
