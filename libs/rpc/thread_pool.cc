#include "libs/rpc/thread_pool.h"

#include <utility>

#include "absl/time/time.h"
#include "libs/status/errors.h"

namespace engram::rpc {
namespace {

// Long enough for a full queue to move, short enough not to be noticed.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(50);

}  // namespace

ThreadPool::ThreadPool(int threads, size_t max_queued)
    : max_queued_(max_queued) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status ThreadPool::Submit(absl::AnyInvocable<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (queue_.size() >= max_queued_) {
    return WithRetryDelay(
        MakeError(absl::StatusCode::kResourceExhausted,
                  common::v1::ERROR_REASON_OVERLOADED,
                  "too many calls are waiting; retry after a moment"),
        kRetryDelay);
  }
  queue_.push_back(std::move(task));
  return absl::OkStatus();
}

void ThreadPool::Run() {
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  };
  while (true) {
    absl::AnyInvocable<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_work));
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace engram::rpc
