#ifndef ENGRAM_SERVICES_SEARCH_OPERATION_STORE_H_
#define ENGRAM_SERVICES_SEARCH_OPERATION_STORE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/clock.h"
#include "services/search/deadline_timer.h"

namespace engram::search {

// Long work as one moment shows it; see engram.common.v1.Operation.
struct OperationView {
  enum class State { kRunning, kSucceeded, kFailed, kCancelled };

  std::string name;
  std::string kind;
  State state = State::kRunning;
  int64_t done = 0;
  int64_t total = 0;
  std::string unit;
  absl::Time create_time;
  // InfiniteFuture while running.
  absl::Time end_time = absl::InfiniteFuture();
  // Why it ended early.
  absl::Status error;
  // The result, a serialised message, and the message's type URL.
  std::string result;
  std::string result_type;
};

// What came of an operation.
struct OperationResult {
  std::string type_url;
  std::string bytes;
};

class OperationStore;

// The worker's side of one operation. Thread-safe. One that is destroyed
// unfinished has failed.
class OperationHandle {
 public:
  OperationHandle(OperationStore& store, std::string name, int64_t number);
  ~OperationHandle();

  const std::string& name() const { return name_; }

  void SetProgress(int64_t done, int64_t total);
  // Whether the work should end, which it then does with a `Cancelled` error.
  bool IsCancelled() const;
  // Has `hook` called when a cancellation comes, at once if it came before;
  // an empty one takes the earlier one back. It runs under a lock of the store
  // and must not call it: it is gone for certain once this returns.
  void OnCancel(std::function<void()> hook);
  // Ends the operation. Call it once, last.
  void Finish(absl::StatusOr<OperationResult> result);

 private:
  OperationStore& store_;
  const std::string name_;
  const int64_t number_;
};

// The operations of this process, in memory: those that run and the last ones
// that ended. Thread-safe.
class OperationStore {
 public:
  using WaitCallback = absl::AnyInvocable<void(std::optional<OperationView>)>;

  // `timer` and `clock` must outlive this object, and it must outlive every
  // handle. Of the operations that ended, the last `max_ended` are kept.
  OperationStore(DeadlineTimer& timer, const Clock& clock,
                 int max_ended = 1000);
  // Ends every wait; see Stop.
  ~OperationStore();

  // Begins an operation called `<kind>-<number>`.
  std::shared_ptr<OperationHandle> Start(absl::string_view kind,
                                         absl::string_view unit);

  // Nothing if the operation is not kept.
  std::optional<OperationView> Get(absl::string_view name) const;

  // Newest first.
  std::vector<OperationView> List() const;

  // Calls back when the operation has ended or at `deadline`, with what it then
  // is, perhaps before this returns; with nothing if it is not kept.
  void Wait(absl::string_view name, absl::Time deadline, WaitCallback callback);

  // Asks an operation to end and returns it as it is then; nothing if it is not
  // kept.
  std::optional<OperationView> Cancel(absl::string_view name);

  // Asks all operations to end, those that begin later too, and ends every wait
  // with what is known.
  void Stop();

 private:
  friend class OperationHandle;

  struct Waiter {
    DeadlineTimer::Ticket ticket;
    WaitCallback callback;
  };
  struct Operation {
    OperationView view;
    bool cancelled = false;
    std::function<void()> cancel_hook;
    std::map<uint64_t, Waiter> waiters;
  };

  void Finish(int64_t number, absl::StatusOr<OperationResult> result);
  void CancelLocked(Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Expire(int64_t number, uint64_t waiter);
  std::vector<WaitCallback> TakeWaiters(Operation& operation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Operation* Find(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  DeadlineTimer& timer_;
  const Clock& clock_;
  const int max_ended_;

  mutable absl::Mutex mutex_;
  std::map<int64_t, Operation> operations_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, int64_t> numbers_ ABSL_GUARDED_BY(mutex_);
  // In the order they ended.
  std::deque<int64_t> ended_ ABSL_GUARDED_BY(mutex_);
  int64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t next_waiter_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_OPERATION_STORE_H_
