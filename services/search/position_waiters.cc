#include "services/search/position_waiters.h"

#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"

namespace engram::search {
namespace {

struct Waiter {
  uint64_t epoch = 0;
  // Absent where the deadline is never.
  std::optional<DeadlineTimer::Ticket> ticket;
  PositionWaiters::Callback callback;
};

// Ordered by channel, then sequence; the last part makes it unique.
using Key = std::tuple<int64_t, int64_t, uint64_t>;

absl::Status StoppingError() {
  return absl::UnavailableError("search is stopping");
}

}  // namespace

struct PositionWaiters::State {
  State(absl::string_view database, DeadlineTimer& timer, int max_waiting)
      : database(database), timer(timer), max_waiting(max_waiting) {}

  std::string Text(uint64_t at_epoch, int64_t sequence) const {
    return Position{database, at_epoch, sequence}.ToString();
  }

  bool HasReached(uint64_t at_epoch, int64_t sequence, int64_t channel) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto found = reached.find(channel);
    return at_epoch == epoch && found != reached.end() &&
           found->second >= sequence;
  }

  // What those who wait for a channel may take as reached; an index that is
  // gone holds nothing back.
  int64_t ReachedBy(int64_t channel) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    auto found = reached.find(channel);
    if (found == reached.end()) found = reached.find(kApplied);
    return found == reached.end() ? std::numeric_limits<int64_t>::min()
                                  : found->second;
  }

  void Expire(const Key& key);

  const std::string database;
  DeadlineTimer& timer;
  const int max_waiting;

  absl::Mutex mutex;
  std::map<Key, Waiter> waiters ABSL_GUARDED_BY(mutex);
  uint64_t next_number ABSL_GUARDED_BY(mutex) = 0;
  // 0 before the first Advance.
  uint64_t epoch ABSL_GUARDED_BY(mutex) = 0;
  Reached reached ABSL_GUARDED_BY(mutex);
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

void PositionWaiters::State::Expire(const Key& key) {
  Callback callback;
  std::string message;
  {
    absl::MutexLock lock(&mutex);
    const auto found = waiters.find(key);
    if (found == waiters.end()) return;
    const auto [channel, sequence, number] = key;
    message = absl::StrCat("waited for ", Text(found->second.epoch, sequence),
                           ", but ");
    const auto progress = reached.find(channel);
    if (progress == reached.end()) {
      absl::StrAppend(&message, "the index is still loading");
    } else {
      absl::StrAppend(&message, "only what was written up to ",
                      Text(epoch, progress->second), " can be found yet");
    }
    callback = std::move(found->second.callback);
    waiters.erase(found);
  }
  callback(absl::DeadlineExceededError(message));
}

PositionWaiters::PositionWaiters(absl::string_view database,
                                 DeadlineTimer& timer, int max_waiting)
    : state_(std::make_shared<State>(database, timer, max_waiting)) {}

PositionWaiters::~PositionWaiters() { Stop(); }

void PositionWaiters::Wait(uint64_t epoch, int64_t sequence, int64_t channel,
                           absl::Time deadline, Callback callback) {
  absl::Status answer;
  {
    absl::MutexLock lock(&state_->mutex);
    if (state_->stopped) {
      answer = StoppingError();
    } else if (state_->waiters.size() >= state_->max_waiting) {
      answer = MakeError(absl::StatusCode::kResourceExhausted,
                         common::v1::ERROR_REASON_OVERLOADED,
                         "too many calls wait for positions; retry later");
    } else if (!state_->HasReached(epoch, sequence, channel)) {
      const Key key(channel, sequence, state_->next_number++);
      Waiter waiter{epoch, std::nullopt, std::move(callback)};
      if (deadline != absl::InfiniteFuture()) {
        waiter.ticket = state_->timer.At(
            deadline, [state = state_, key] { state->Expire(key); });
      }
      state_->waiters.emplace(key, std::move(waiter));
      return;
    }
  }
  callback(answer);
}

void PositionWaiters::Advance(uint64_t epoch, Reached reached) {
  std::vector<std::pair<Callback, absl::Status>> answers;
  {
    absl::MutexLock lock(&state_->mutex);
    const auto end =
        [&](std::map<Key, Waiter>::iterator waiter, absl::Status answer)
            ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mutex) {
              if (waiter->second.ticket.has_value()) {
                state_->timer.Cancel(*waiter->second.ticket);
              }
              answers.emplace_back(std::move(waiter->second.callback),
                                   std::move(answer));
              return state_->waiters.erase(waiter);
            };
    const uint64_t ended = state_->epoch;
    state_->epoch = epoch;
    state_->reached = std::move(reached);
    if (ended != epoch && ended != 0) {
      for (auto at = state_->waiters.begin(); at != state_->waiters.end();) {
        at = at->second.epoch == ended
                 ? end(at, EpochChangedError(state_->database))
                 : std::next(at);
      }
    }
    constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
    for (auto at = state_->waiters.begin(); at != state_->waiters.end();) {
      const int64_t channel = std::get<0>(at->first);
      const int64_t sequence = state_->ReachedBy(channel);
      while (at != state_->waiters.end() && std::get<0>(at->first) == channel &&
             std::get<1>(at->first) <= sequence) {
        at = at->second.epoch == epoch ? end(at, absl::OkStatus())
                                       : std::next(at);
      }
      at = state_->waiters.lower_bound(Key(channel + 1, kFirst, 0));
    }
  }
  for (auto& [callback, answer] : answers) callback(answer);
}

void PositionWaiters::Stop() {
  std::map<Key, Waiter> waiters;
  {
    absl::MutexLock lock(&state_->mutex);
    state_->stopped = true;
    waiters.swap(state_->waiters);
    for (auto& [key, waiter] : waiters) {
      if (waiter.ticket.has_value()) state_->timer.Cancel(*waiter.ticket);
    }
  }
  for (auto& [key, waiter] : waiters) waiter.callback(StoppingError());
}

absl::Status EpochChangedError(absl::string_view database) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_EPOCH_CHANGED,
      absl::StrCat("the position is of an epoch of database \"", database,
                   "\" that has ended, by a restore or a re-creation; use a "
                   "position of a newer write, or none"),
      {{"database", database}});
}

}  // namespace engram::search
