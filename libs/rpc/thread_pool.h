#ifndef ENGRAM_LIBS_RPC_THREAD_POOL_H_
#define ENGRAM_LIBS_RPC_THREAD_POOL_H_

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace engram::rpc {

// Runs the work of calls that is too long for gRPC's own threads, of which
// there are only half as many as cores.
//
// Thread-safe.
class ThreadPool {
 public:
  // At most `max_queued` tasks wait for one of the `threads`.
  ThreadPool(int threads, size_t max_queued);

  // Runs every task that was submitted, then joins the threads.
  ~ThreadPool();

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Queues `task`. `ResourceExhausted` with a retry delay if the queue is full;
  // the task is then destroyed without being run.
  absl::Status Submit(absl::AnyInvocable<void()> task);

 private:
  void Run();

  const size_t max_queued_;

  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;
};

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_THREAD_POOL_H_
