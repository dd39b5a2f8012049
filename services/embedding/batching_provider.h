#ifndef ENGRAM_SERVICES_EMBEDDING_BATCHING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_BATCHING_PROVIDER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/timers.h"
#include "services/embedding/call_size.h"
#include "services/embedding/concurrency_limit.h"
#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Makes the calls of a provider out of the texts of all callers: texts that
// come while calls are under way are put together, and what is larger than a
// call may be is split, by texts, tokens and bytes. A text that is beyond a
// limit by itself goes alone, for the provider to refuse.
//
// A call goes out at once if none is under way, so a lone query loses no time.
// Else it waits two milliseconds for others that come at the same moment, and
// until the provider has not enough to do (see ConcurrencyLimit): the busier it
// is, the larger the calls. A call that is full goes out in any case, as long
// as fewer are under way than the limits allow. Queries go before documents,
// documents leave one call for them, and neither counts in what the other has
// to do.
//
// Texts of a caller that has left before they are sent are not sent:
// `Cancelled`. Bounded: texts that wait hold `max_queued_bytes` at most; a call
// beyond that is `ResourceExhausted` with a retry delay, unless nothing waits.
class BatchingProvider : public ProviderDecorator {
 public:
  // `timers` must outlive this object.
  BatchingProvider(std::unique_ptr<Provider> next, size_t max_queued_bytes,
                   Timers& timers);

  // No call may be under way.
  ~BatchingProvider() override;

  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  // A caller's call, until each of its texts has a result.
  struct Waiting;
  // A text of it.
  struct Item {
    std::shared_ptr<Waiting> call;
    size_t place = 0;
    CallSize size;
    absl::Time came;
  };
  // Texts that one call may hold together.
  struct Queue {
    Purpose purpose;
    std::string query;
    CallSize size;
    std::deque<Item> items;
  };
  // A call that is under way.
  struct Batch;

  // Queues the texts of `call`; false if there is no room.
  bool Add(const std::shared_ptr<Waiting>& call);
  Queue& QueueFor(const EmbedCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends what may be sent.
  void Pump();
  void OnTimer();
  // Whether this thread is to do the rounds; else another does already.
  bool BeginPump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunPump();
  // Whether there must be another round; else the pump has ended.
  bool BeginRound();
  // Takes the next call out of the queues; null if none may be sent now. Texts
  // that nobody waits for are put into `dropped`.
  std::shared_ptr<Batch> Take(std::vector<Item>& dropped);
  // Sets the timer if a call is not sent only because others may come.
  bool MaySend(const Queue& queue, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(const std::shared_ptr<Batch>& batch);
  void Finish(Batch& batch, std::vector<EmbedResult> results);
  // Gives `result` to its text; answers the call if it was the last.
  static void Deliver(const Item& item, EmbedResult result);

  const CallLimits limits_;
  const size_t max_queued_bytes_;
  Timers& timers_;

  absl::Mutex mutex_;
  ConcurrencyLimit concurrency_ ABSL_GUARDED_BY(mutex_);
  // None is empty.
  std::deque<Queue> queues_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Calls, of documents and of queries.
  int under_way_[2] ABSL_GUARDED_BY(mutex_) = {};
  // That were ever sent.
  int64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_pumping_ ABSL_GUARDED_BY(mutex_) = false;
  // For a call that waits for others, until the timer has run or was taken
  // back.
  bool is_timer_set_ ABSL_GUARDED_BY(mutex_) = false;
  Timers::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
  // Whether something has changed since Pump looked.
  bool pump_again_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_BATCHING_PROVIDER_H_
