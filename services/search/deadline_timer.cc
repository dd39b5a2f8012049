#include "services/search/deadline_timer.h"

#include <chrono>

#include "absl/time/clock.h"

namespace engram::search {

DeadlineTimer::DeadlineTimer() : thread_([this] { Run(); }) {}

DeadlineTimer::~DeadlineTimer() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
  }
  thread_.join();
}

DeadlineTimer::Ticket DeadlineTimer::At(absl::Time when,
                                        absl::AnyInvocable<void()> callback) {
  absl::MutexLock lock(&mutex_);
  const Ticket ticket{SteadyCondVar::After(when - absl::Now()), next_number_++};
  const auto added = callbacks_.emplace(ticket, std::move(callback)).first;
  if (added == callbacks_.begin()) changed_.Signal();
  return ticket;
}

void DeadlineTimer::Cancel(const Ticket& ticket) {
  absl::AnyInvocable<void()> dropped;  // Destroyed without the lock.
  absl::MutexLock lock(&mutex_);
  const auto found = callbacks_.find(ticket);
  if (found == callbacks_.end()) return;
  dropped = std::move(found->second);
  callbacks_.erase(found);
}

void DeadlineTimer::WaitForRunning() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !running_;
  };
  mutex_.Await(absl::Condition(&idle));
}

void DeadlineTimer::Run() {
  while (RunOnce()) {
  }
}

bool DeadlineTimer::RunOnce() {
  absl::AnyInvocable<void()> due;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return false;
    const SteadyCondVar::Time next = callbacks_.empty()
                                         ? SteadyCondVar::Time::max()
                                         : callbacks_.begin()->first.when;
    if (next > std::chrono::steady_clock::now()) {
      changed_.WaitUntil(&mutex_, next);
      return true;
    }
    due = std::move(callbacks_.begin()->second);
    callbacks_.erase(callbacks_.begin());
    running_ = true;
  }
  due();
  absl::MutexLock lock(&mutex_);
  running_ = false;
  return true;
}

}  // namespace engram::search
