#ifndef ENGRAM_SERVICES_SEARCH_POSITION_WAITERS_H_
#define ENGRAM_SERVICES_SEARCH_POSITION_WAITERS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/search/deadline_timer.h"

namespace engram::search {

// The calls that wait until one database's indexes have reached a position.
//
// A wait is for a channel: a generation's number for what can be found in its
// index, or one of the constants below. Thread-safe. Callbacks run without a
// lock held, in the thread that brought the news or in the timer's.
class PositionWaiters {
 public:
  // Changes applied, whether or not their vectors are awaited.
  static constexpr int64_t kApplied = -1;
  // What can be found in all indexes of the database.
  static constexpr int64_t kAllIndexes = -2;

  // The sequence that each channel has reached.
  using Reached = absl::flat_hash_map<int64_t, int64_t>;
  using Callback = absl::AnyInvocable<void(const absl::Status&)>;

  // `timer` must outlive this object. More waits than `max_waiting` at a time
  // are refused.
  PositionWaiters(absl::string_view database, DeadlineTimer& timer,
                  int max_waiting = 100'000);
  // Ends every wait; see Stop.
  ~PositionWaiters();

  // Calls back once: with OK when `channel` has reached `sequence` of `epoch`,
  // perhaps before this returns; with `DeadlineExceeded`, saying how far it is,
  // at `deadline`; with `FailedPrecondition`, reason EPOCH_CHANGED, if the
  // epoch ends first; with `ResourceExhausted` if too many wait.
  void Wait(uint64_t epoch, int64_t sequence, int64_t channel,
            absl::Time deadline, Callback callback);

  // Tells how far the indexes are, and calls back those who waited for it. A
  // new `epoch` ends the waits for the one before. A channel that is not among
  // `reached` is of an index that is gone: who waits for it is called back with
  // OK once the changes up to there are applied, and finds out.
  void Advance(uint64_t epoch, Reached reached);

  // Ends every wait, now and later, with `Unavailable`.
  void Stop();

 private:
  struct State;

  // Shared with the timer's callbacks, which may outlive this object.
  const std::shared_ptr<State> state_;
};

// `FailedPrecondition`, reason EPOCH_CHANGED.
absl::Status EpochChangedError(absl::string_view database);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_POSITION_WAITERS_H_
