#include "services/storage/cache_leases.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/status/errors.h"
#include "services/storage/random_bits.h"

namespace engram::storage {
namespace {

using Kind = CacheLeases::Outcome::Kind;

// A name that no lease had before, of an earlier process neither.
std::string NewLease() {
  return absl::StrFormat("%016x%016x", RandomBits(), RandomBits());
}

absl::Status LeaseLost(const CacheKey& key) {
  return MakeError(
      absl::StatusCode::kAborted, common::v1::ERROR_REASON_LEASE_LOST,
      absl::StrCat("the lease on \"", key.key,
                   "\" has ended; nothing is stored. Get the value, or compute "
                   "it under a new lease"),
      {{"collection", key.collection}, {"key", key.key}});
}

}  // namespace

CacheLeases::Ticket CacheLeases::NewTicket() {
  absl::MutexLock lock(&mutex_);
  return ++newest_ticket_;
}

void CacheLeases::Tell(Calls calls) {
  for (auto& [told, outcome] : calls) told(std::move(outcome));
}

void CacheLeases::Acquire(const CacheKey& key, absl::Duration duration,
                          absl::Time deadline, Ticket ticket, Told told) {
  Outcome outcome;
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = clock_->Now();
    auto found = states_.find(key);
    if (found != states_.end() && found->second.settings == 0 &&
        found->second.expire_time <= now) {
      // Its time is over, and Tick has not seen it yet: it goes to those first
      // who came first.
      HandOver(key, calls);
      found = states_.find(key);
    }
    if (stopped_) {
      outcome.kind = Kind::kStopped;
    } else if (found == states_.end()) {
      if (states_.size() < limits_.max_keys) {
        outcome = Grant(key, states_[key], duration, Kind::kGranted);
      } else {
        outcome.kind = Kind::kFull;
      }
    } else if (deadline <= now) {
      outcome.kind = Kind::kTimeOver;
    } else if (wait_ends_.size() >= limits_.max_waiting) {
      outcome.kind = Kind::kFull;
    } else {
      wait_ends_.emplace(std::pair(deadline, ticket), key);
      // What is swapped in is empty: `told` is, from here on.
      Waiter& waiter = found->second.waiters
                           .emplace(ticket, Waiter{duration, deadline, nullptr})
                           .first->second;
      std::swap(waiter.told, told);
    }
  }
  Tell(std::move(calls));
  // Empty if it waits.
  if (told) told(std::move(outcome));
}

bool CacheLeases::Cancel(const CacheKey& key, Ticket ticket) {
  // Destroyed without the lock.
  Told forgotten;
  absl::MutexLock lock(&mutex_);
  const auto found = states_.find(key);
  if (found == states_.end()) return false;
  const auto waiter = found->second.waiters.find(ticket);
  if (waiter == found->second.waiters.end()) return false;
  forgotten = std::move(waiter->second.told);
  wait_ends_.erase({waiter->second.deadline, ticket});
  found->second.waiters.erase(waiter);
  EraseIfIdle(key);
  return true;
}

void CacheLeases::Release(const CacheKey& key, absl::string_view lease) {
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = states_.find(key);
    // While its own Set is on the way the lease cannot be given back.
    if (found == states_.end() || lease.empty() ||
        found->second.lease != lease || found->second.settings > 0) {
      return;
    }
    HandOver(key, calls);
  }
  Tell(std::move(calls));
}

void CacheLeases::Settle(const CacheKey& key, absl::string_view lease) {
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = states_.find(key);
    if (found == states_.end() || found->second.lease != lease) return;
    TellStored(key, calls);
  }
  Tell(std::move(calls));
}

absl::Status CacheLeases::Setting::Begin() {
  absl::MutexLock lock(&leases_->mutex_);
  const auto found = leases_->states_.find(key_);
  if (!lease_.empty()) {
    if (found == leases_->states_.end() || found->second.lease != lease_ ||
        found->second.lost ||
        // One that was counted has had it all the time.
        (!counted_ && found->second.expire_time <= leases_->clock_->Now())) {
      return LeaseLost(key_);
    }
  } else if (found == leases_->states_.end()) {
    return absl::OkStatus();
  } else if (!found->second.lease.empty()) {
    found->second.lost = true;
  }
  if (!counted_) ++found->second.settings;
  counted_ = true;
  return absl::OkStatus();
}

void CacheLeases::Setting::End(bool stored) {
  Calls calls;
  {
    absl::MutexLock lock(&leases_->mutex_);
    const auto found = leases_->states_.find(key_);
    if (found == leases_->states_.end()) return;
    State& state = found->second;
    if (counted_) --state.settings;
    if (stored) {
      leases_->TellStored(key_, calls);
    } else if (state.settings == 0) {
      state.lost = false;
      if (state.lease.empty() || state.expire_time <= leases_->clock_->Now()) {
        leases_->HandOver(key_, calls);
      }
    }
  }
  Tell(std::move(calls));
}

CacheLeases::Counts CacheLeases::Count(absl::string_view collection) const {
  absl::MutexLock lock(&mutex_);
  Counts counts;
  for (const auto& [key, state] : states_) {
    if (key.collection != collection) continue;
    if (!state.lease.empty()) ++counts.leases;
    counts.waiting += static_cast<int64_t>(state.waiters.size());
  }
  return counts;
}

void CacheLeases::Tick() {
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = clock_->Now();
    while (!wait_ends_.empty() && wait_ends_.begin()->first.first <= now) {
      const Ticket ticket = wait_ends_.begin()->first.second;
      const CacheKey key = wait_ends_.begin()->second;
      TakeWaiter(states_.at(key), ticket, {.kind = Kind::kTimeOver}, calls);
      EraseIfIdle(key);
    }
    std::vector<CacheKey> ended;
    for (const auto& [end, key] : lease_ends_) {
      if (end > now) break;
      // The Set that is on its way decides.
      if (states_.at(key).settings == 0) ended.push_back(key);
    }
    for (const CacheKey& key : ended) HandOver(key, calls);
  }
  Tell(std::move(calls));
}

void CacheLeases::Stop() {
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    while (!wait_ends_.empty()) {
      const Ticket ticket = wait_ends_.begin()->first.second;
      const CacheKey key = wait_ends_.begin()->second;
      TakeWaiter(states_.at(key), ticket, {.kind = Kind::kStopped}, calls);
    }
  }
  Tell(std::move(calls));
}

CacheLeases::Outcome CacheLeases::Grant(const CacheKey& key, State& state,
                                        absl::Duration duration, Kind kind) {
  state.lease = NewLease();
  state.expire_time = clock_->Now() + duration;
  state.lost = false;
  lease_ends_.emplace(state.expire_time, key);
  return {.kind = kind, .lease = state.lease, .expire_time = state.expire_time};
}

void CacheLeases::EndLease(const CacheKey& key, State& state) {
  if (state.lease.empty()) return;
  lease_ends_.erase({state.expire_time, key});
  state.lease.clear();
  state.lost = false;
}

void CacheLeases::HandOver(const CacheKey& key, Calls& calls) {
  State& state = states_.at(key);
  EndLease(key, state);
  if (!state.waiters.empty()) {
    const auto& [ticket, waiter] = *state.waiters.begin();
    TakeWaiter(state, ticket,
               Grant(key, state, waiter.duration, Kind::kHandedOver), calls);
  }
  EraseIfIdle(key);
}

void CacheLeases::TellStored(const CacheKey& key, Calls& calls) {
  State& state = states_.at(key);
  EndLease(key, state);
  while (!state.waiters.empty()) {
    TakeWaiter(state, state.waiters.begin()->first, {.kind = Kind::kStored},
               calls);
  }
  EraseIfIdle(key);
}

void CacheLeases::TakeWaiter(State& state, Ticket ticket, Outcome outcome,
                             Calls& calls) {
  const auto waiter = state.waiters.find(ticket);
  wait_ends_.erase({waiter->second.deadline, ticket});
  calls.emplace_back(std::move(waiter->second.told), std::move(outcome));
  state.waiters.erase(waiter);
}

void CacheLeases::EraseIfIdle(const CacheKey& key) {
  const auto found = states_.find(key);
  if (found->second.lease.empty() && found->second.waiters.empty() &&
      found->second.settings == 0) {
    states_.erase(found);
  }
}

}  // namespace engram::storage
