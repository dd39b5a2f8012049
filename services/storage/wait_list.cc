#include "services/storage/wait_list.h"

#include <utility>
#include <vector>

namespace engram::storage {

uint64_t WaitList::version() const {
  absl::MutexLock lock(&mutex_);
  return version_;
}

WaitList::Ticket WaitList::NewTicket() {
  absl::MutexLock lock(&mutex_);
  return ++newest_ticket_;
}

WaitList::Added WaitList::Add(Ticket ticket, uint64_t seen, absl::Time deadline,
                              Wake wake) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || version_ != seen) return Added::kNews;
  if (waiters_.size() >= max_waiting_) return Added::kFull;
  waiters_.emplace(ticket, Waiter{deadline, std::move(wake)});
  return Added::kWaiting;
}

bool WaitList::Remove(Ticket ticket) {
  absl::MutexLock lock(&mutex_);
  return waiters_.erase(ticket) == 1;
}

void WaitList::Notify() {
  Waiters woken;
  {
    absl::MutexLock lock(&mutex_);
    ++version_;
    woken.swap(waiters_);
  }
  for (auto& [ticket, waiter] : woken) waiter.wake();
}

void WaitList::Tick(absl::Time now) {
  std::vector<Waiter> woken;
  {
    absl::MutexLock lock(&mutex_);
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      const auto waiter = it++;
      if (waiter->second.deadline > now) continue;
      woken.push_back(std::move(waiter->second));
      waiters_.erase(waiter);
    }
  }
  for (Waiter& waiter : woken) waiter.wake();
}

bool WaitList::stopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

void WaitList::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  Notify();
}

}  // namespace engram::storage
