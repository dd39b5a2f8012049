#ifndef ENGRAM_SERVICES_STORAGE_WAIT_LIST_H_
#define ENGRAM_SERVICES_STORAGE_WAIT_LIST_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::storage {

// Wakes whoever waits for news, such as a commit: streams and long polls wait
// here without holding a thread.
//
// To miss nothing: read version(), look, and if there is nothing yet, Add with
// the version that was read.
//
// Thread-safe. Wake-ups run without a lock, in the thread of the call that
// causes them, so they must be short: they hand work to a pool.
class WaitList {
 public:
  using Wake = absl::AnyInvocable<void()>;
  using Ticket = uint64_t;

  enum class Added {
    // `wake` will be called, once.
    kWaiting,
    // There were news since `seen`, or the list is stopped: look again. `wake`
    // was not kept.
    kNews,
    // Too many wait. `wake` was not kept.
    kFull,
  };

  explicit WaitList(size_t max_waiting = 10'000) : max_waiting_(max_waiting) {}

  // Grows with each Notify.
  uint64_t version() const;

  // Returns a ticket that no other waiter has. It serves for any number of
  // waits, one at a time.
  Ticket NewTicket();

  // Calls `wake` at the next Notify, at the first Tick from `deadline` on, or
  // at Stop, whichever comes first; perhaps before this returns, so the caller
  // touches nothing that `wake` may destroy.
  Added Add(Ticket ticket, uint64_t seen, absl::Time deadline, Wake wake);

  // Forgets a waiter. Returns false if it does not wait, or is about to be
  // woken.
  bool Remove(Ticket ticket);

  // Tells that there are news, and wakes everyone.
  void Notify();

  // Wakes those whose deadline has come.
  void Tick(absl::Time now);

  // Wakes everyone, and lets nobody wait from now on.
  void Stop();
  bool stopped() const;

 private:
  struct Waiter {
    absl::Time deadline;
    Wake wake;
  };
  using Waiters = absl::flat_hash_map<Ticket, Waiter>;

  const size_t max_waiting_;

  mutable absl::Mutex mutex_;
  uint64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  Ticket newest_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  Waiters waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WAIT_LIST_H_
