#ifndef ENGRAM_SERVICES_SEARCH_STREAM_CALL_H_
#define ENGRAM_SERVICES_SEARCH_STREAM_CALL_H_

#include <grpcpp/client_context.h>

#include <algorithm>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/steady_cond_var.h"
#include "libs/rpc/stream_reader.h"
#include "services/search/deadline_timer.h"

namespace engram::search {

// Ends what one thread is blocked in, a streaming call or the pause before the
// next try: when another thread wants it to stop, or when the other end has
// been silent for too long, as a peer is whose machine has gone. Thread-safe.
class StreamCall {
 public:
  // Cancels a call that waits for `max_silence` and nothing comes;
  // InfiniteDuration for calls that may be silent. `timer` must outlive this
  // object.
  StreamCall(DeadlineTimer& timer, absl::Duration max_silence);
  ~StreamCall();

  // Ends the present call and pause, and all that follow, at once.
  void Stop();
  bool stopped() const;

  // Returns after `duration`, or when stopped.
  void Pause(absl::Duration duration);

  // The call that the thread is in, while it lives. One at a time.
  class Scope {
   public:
    // Both must outlive the scope. Cancels at once if `call` is stopped. To
    // begin the call is to wait, too.
    Scope(StreamCall& call, grpc::ClientContext& context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    // Waits for the next message, as `reader.Read` does. However long it then
    // takes to use it, or to wait for somebody else here: the other end has not
    // been silent.
    template <typename Message>
    bool Read(rpc::StreamReader<Message>& reader, Message* message) {
      call_.BeginWait();
      const bool came = reader.Read(message);
      call_.EndWait();
      return came;
    }

   private:
    StreamCall& call_;
  };

 private:
  void BeginWait() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndWait() ABSL_LOCKS_EXCLUDED(mutex_);
  // Looks after the call when `time` has passed.
  void LookAfter(absl::Duration time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Cancels the call if it has been waiting for too long. Timers that are set
  // anew for every message of a fast stream would cost more than they tell, so
  // there is one, which comes again.
  void CancelIfSilent(uint64_t number) ABSL_LOCKS_EXCLUDED(mutex_);

  DeadlineTimer& timer_;
  const absl::Duration max_silence_;

  mutable absl::Mutex mutex_;
  // Woken by Stop.
  SteadyCondVar changed_;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // Numbers the calls, so that a late timer finds that it is not meant.
  uint64_t call_number_ ABSL_GUARDED_BY(mutex_) = 0;
  // Nothing while the call does not wait.
  std::optional<SteadyCondVar::Time> waiting_since_ ABSL_GUARDED_BY(mutex_);
  std::optional<DeadlineTimer::Ticket> ticket_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

// Lengthens the pause between tries that fail. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration least, absl::Duration most)
      : least_(least), most_(most), next_(least) {}

  void Reset() { next_ = least_; }

  // Returns the next pause: doubled each time, with a random part of half of
  // it, so that followers do not come back all at once.
  absl::Duration Next() {
    const absl::Duration pause = next_;
    next_ = std::min(2 * next_, most_);
    return pause * absl::Uniform(random_, 0.5, 1.0);
  }

 private:
  const absl::Duration least_;
  const absl::Duration most_;
  absl::Duration next_;
  absl::BitGen random_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_STREAM_CALL_H_
