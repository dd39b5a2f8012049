#include "services/embedding/caller.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace engram::embedding {

std::shared_ptr<Caller> Caller::AllOf(
    std::vector<std::shared_ptr<Caller>> members) {
  if (members.size() == 1) return std::move(members.front());
  auto all = std::make_shared<Caller>(absl::InfinitePast());
  all->members_ = std::move(members);
  const auto waiting =
      std::make_shared<std::atomic<size_t>>(all->members_.size());
  // A member may outlive this call by far.
  const std::weak_ptr<Caller> weak = all;
  for (const auto& member : all->members_) {
    member->OnLeave([weak, waiting] {
      if (--*waiting > 0) return;
      if (const auto caller = weak.lock()) caller->Leave();
    });
  }
  return all;
}

absl::Time Caller::deadline() const {
  absl::Time latest;
  {
    absl::MutexLock lock(&mutex_);
    latest = deadline_;
  }
  for (const auto& member : members_) {
    latest = std::max(latest, member->deadline());
  }
  return latest;
}

void Caller::Extend(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  deadline_ = std::max(deadline_, deadline);
}

void Caller::Leave() {
  std::map<HookId, absl::AnyInvocable<void()>> hooks;
  {
    absl::MutexLock lock(&mutex_);
    has_left_ = true;
    hooks.swap(hooks_);
  }
  for (auto& [id, hook] : hooks) hook();
}

bool Caller::has_left() const {
  absl::MutexLock lock(&mutex_);
  return has_left_;
}

absl::Status Caller::StillWaits(absl::Time now) const {
  if (has_left()) return absl::CancelledError("the caller has gone");
  if (now >= deadline()) {
    return absl::CancelledError(
        "the caller's deadline passed before the texts were sent");
  }
  return absl::OkStatus();
}

Caller::HookId Caller::OnLeave(absl::AnyInvocable<void()> hook) {
  {
    absl::MutexLock lock(&mutex_);
    if (!has_left_) {
      hooks_.emplace(++last_id_, std::move(hook));
      return last_id_;
    }
  }
  hook();
  return 0;
}

void Caller::Forget(HookId id) {
  // Its end may call back here.
  absl::AnyInvocable<void()> dropped;
  absl::MutexLock lock(&mutex_);
  const auto hook = hooks_.find(id);
  if (hook == hooks_.end()) return;
  dropped = std::move(hook->second);
  hooks_.erase(hook);
}

namespace {

// A pause that a timer and a caller may end, whichever comes first.
struct Pause {
  explicit Pause(absl::AnyInvocable<void()> wake) : wake(std::move(wake)) {}

  void End() {
    if (!ended.exchange(true)) wake();
  }

  std::atomic<bool> ended = false;
  absl::AnyInvocable<void()> wake;
};

}  // namespace

void PauseUntil(Timers& timers, const std::shared_ptr<Caller>& caller,
                absl::Time when, absl::AnyInvocable<void()> wake) {
  const auto pause = std::make_shared<Pause>(std::move(wake));
  const auto hook = caller->OnLeave([pause] { pause->End(); });
  timers.RunAt(when, [pause, caller, hook] {
    caller->Forget(hook);
    pause->End();
  });
}

}  // namespace engram::embedding
