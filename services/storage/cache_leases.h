#ifndef ENGRAM_SERVICES_STORAGE_CACHE_LEASES_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_LEASES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/clock.h"

namespace engram::storage {

// A key of one of a database's caches.
struct CacheKey {
  std::string collection;
  std::string key;

  // A false alarm of clang-tidy 14.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const CacheKey&, const CacheKey&) = default;
  template <typename Hash>
  friend Hash AbslHashValue(Hash hash, const CacheKey& key) {
    return Hash::combine(std::move(hash), key.collection, key.key);
  }
};

// Who computes a value that a cache of one database does not have: one caller
// gets a lease on the key, and the others wait without holding a thread. In
// memory only. Knows no values: whoever is told to looks for one.
//
// Computed once: a caller who misses asks for the lease, and looks again before
// it computes (kGranted). A Set ends the lease only after its commit. So a
// value that was stored before the lease was granted is seen by that second
// look, and one that is stored later finds the lease taken.
//
// A Set under a lease cannot lose it on the way: from Setting::Begin, within
// the writer's transaction, to Setting::End, after the commit, the lease goes
// to nobody else.
//
// Thread-safe. Callers are told without a lock, in the thread of the call that
// causes it, so what they do then must be short.
class CacheLeases {
 public:
  using Ticket = uint64_t;

  struct Limits {
    // Keys that somebody has a lease on.
    size_t max_keys = 100'000;
    // Callers that wait.
    size_t max_waiting = 10'000;
  };

  // What asking for a lease came to.
  struct Outcome {
    enum class Kind {
      // Nobody had it. Look again before you compute: a value may have been
      // stored since you looked.
      kGranted,
      // Who had it gave it up, or its time was over, and no Set came between.
      kHandedOver,
      // A value was stored: look again.
      kStored,
      // Another has it still, and the wait is over.
      kTimeOver,
      // Too many leases, or too many who wait.
      kFull,
      // The database closes.
      kStopped,
    };
    Kind kind = Kind::kStopped;
    // Of the first two.
    std::string lease;
    absl::Time expire_time;
  };
  using Told = absl::AnyInvocable<void(Outcome)>;

  // `clock` must outlive this object.
  explicit CacheLeases(const Clock* clock) : CacheLeases(clock, Limits()) {}
  CacheLeases(const Clock* clock, Limits limits)
      : clock_(clock), limits_(limits) {}

  // Returns a ticket that no other caller has. It serves for any number of
  // waits, one at a time.
  Ticket NewTicket();

  // Asks for the lease on a key, for `duration` from when it is granted. `told`
  // is called once: before this returns, or later, at the first Tick from
  // `deadline` on at the latest.
  void Acquire(const CacheKey& key, absl::Duration duration,
               absl::Time deadline, Ticket ticket, Told told);

  // Forgets a caller that waits. False if it does not, or is about to be told.
  bool Cancel(const CacheKey& key, Ticket ticket);

  // Ends a lease without a value: the caller who waits longest gets it. Does
  // nothing if it has ended.
  void Release(const CacheKey& key, absl::string_view lease);

  // Ends a lease whose holder found a value: all who wait look.
  void Settle(const CacheKey& key, absl::string_view lease);

  // One Set on its way through the writer.
  class Setting {
   public:
    // `lease` is empty for a Set that needs none. `leases` must outlive this
    // object.
    Setting(CacheLeases* leases, CacheKey key, std::string lease)
        : leases_(leases), key_(std::move(key)), lease_(std::move(lease)) {}

    // To be called before anything is written, as often as the write is run.
    // `Aborted`, reason `LEASE_LOST`, if the lease has ended. A Set without a
    // lease ends that of another.
    absl::Status Begin();
    // To be called once, when it is known whether the value is on disk: if so,
    // all who wait look.
    void End(bool stored);

   private:
    CacheLeases* const leases_;
    const CacheKey key_;
    const std::string lease_;
    // Whether the key's state counts this one.
    bool counted_ = false;
  };

  // Of the keys of a collection.
  struct Counts {
    int64_t leases = 0;
    int64_t waiting = 0;
  };
  Counts Count(absl::string_view collection) const;

  // Passes on leases that have ended, and ends waits that are over.
  void Tick();

  // Ends all waits; nobody can wait from now on.
  void Stop();

 private:
  struct Waiter {
    absl::Duration duration;
    absl::Time deadline;
    Told told;
  };
  // Of a key that has a lease, or callers who wait.
  struct State {
    // Empty if nobody has it.
    std::string lease;
    absl::Time expire_time;
    // A Set of another is about to end the lease: its holder sets no more.
    bool lost = false;
    // Sets between Begin and End.
    int settings = 0;
    // The order of tickets is that of the callers' first waits.
    std::map<Ticket, Waiter> waiters;
  };
  using States = absl::flat_hash_map<CacheKey, State>;
  // Whom to tell what, once the lock is free.
  using Calls = std::vector<std::pair<Told, Outcome>>;

  static void Tell(Calls calls);

  Outcome Grant(const CacheKey& key, State& state, absl::Duration duration,
                Outcome::Kind kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLease(const CacheKey& key, State& state)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the lease, if there is one, and gives it to who waits longest.
  void HandOver(const CacheKey& key, Calls& calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellStored(const CacheKey& key, Calls& calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeWaiter(State& state, Ticket ticket, Outcome outcome, Calls& calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EraseIfIdle(const CacheKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  const Limits limits_;

  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  Ticket newest_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  States states_ ABSL_GUARDED_BY(mutex_);
  // What Tick looks at, soonest first.
  std::set<std::pair<absl::Time, CacheKey>> lease_ends_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<absl::Time, Ticket>, CacheKey> wait_ends_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_LEASES_H_
