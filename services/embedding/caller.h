#ifndef ENGRAM_SERVICES_EMBEDDING_CALLER_H_
#define ENGRAM_SERVICES_EMBEDDING_CALLER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/timers.h"

namespace engram::embedding {

// Whoever waits for an answer: until when, and whether still. Nothing is sent
// for a caller that has left; what was sent already is brought to its end, for
// it is paid for and others may want it.
//
// Thread-safe.
class Caller {
 public:
  using HookId = uint64_t;

  explicit Caller(absl::Time deadline) : deadline_(deadline) {}

  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Returns a caller that waits as long as the most patient of `members`, and
  // leaves with the last of them; at least one.
  static std::shared_ptr<Caller> AllOf(
      std::vector<std::shared_ptr<Caller>> members);

  absl::Time deadline() const;
  // Waits until `deadline` if that is later than before.
  void Extend(absl::Time deadline);

  // The caller wants no answer any more. Repeating is safe.
  void Leave();
  bool has_left() const;

  // `Cancelled` if nothing should be sent for the caller: it has left, or its
  // deadline has passed by `now`. OK if it still waits.
  absl::Status StillWaits(absl::Time now) const;

  // Calls `hook` when the caller leaves; at once if it has left. Forget takes
  // it back, but does not wait for one that runs.
  HookId OnLeave(absl::AnyInvocable<void()> hook);
  void Forget(HookId id);

 private:
  mutable absl::Mutex mutex_;
  absl::Time deadline_ ABSL_GUARDED_BY(mutex_);
  // Of AllOf.
  std::vector<std::shared_ptr<Caller>> members_;
  bool has_left_ ABSL_GUARDED_BY(mutex_) = false;
  HookId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<HookId, absl::AnyInvocable<void()>> hooks_ ABSL_GUARDED_BY(mutex_);
};

// Calls `wake` once: at `when`, or as soon as `caller` leaves, perhaps before
// this returns.
void PauseUntil(Timers& timers, const std::shared_ptr<Caller>& caller,
                absl::Time when, absl::AnyInvocable<void()> wake);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CALLER_H_
