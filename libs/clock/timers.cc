#include "libs/clock/timers.h"

#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace engram {
namespace {

class RealTimers : public Timers {
 public:
  RealTimers() : thread_([this] { Run(); }) {}

  ~RealTimers() override {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      changed_.Signal();
    }
    thread_.join();
  }

  const Clock& clock() const override { return Clock::Real(); }

  Id RunAt(absl::Time when, absl::AnyInvocable<void()> task) override {
    absl::MutexLock lock(&mutex_);
    const Id id = ++last_id_;
    const auto place = tasks_.emplace(Key{when, id}, std::move(task)).first;
    due_.emplace(id, when);
    // Only an earlier end of its wait is news to the thread.
    if (place == tasks_.begin()) changed_.Signal();
    return id;
  }

  bool Cancel(Id id) override {
    // Its end may be long.
    absl::AnyInvocable<void()> dropped;
    absl::MutexLock lock(&mutex_);
    const auto due = due_.find(id);
    if (due == due_.end()) return false;
    const auto task = tasks_.find({due->second, id});
    dropped = std::move(task->second);
    tasks_.erase(task);
    due_.erase(due);
    return true;
  }

 private:
  using Key = std::pair<absl::Time, Id>;

  void Run() {
    while (auto task = Next()) task();
  }

  // Waits for the next task that is due; null at the end.
  absl::AnyInvocable<void()> Next() {
    absl::MutexLock lock(&mutex_);
    while (!stopping_) {
      if (tasks_.empty()) {
        changed_.Wait(&mutex_);
        continue;
      }
      const auto first = tasks_.begin();
      if (first->first.first > clock().Now()) {
        changed_.WaitWithDeadline(&mutex_, first->first.first);
        continue;
      }
      auto task = std::move(first->second);
      due_.erase(first->first.second);
      tasks_.erase(first);
      return task;
    }
    return nullptr;
  }

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::map<Key, absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::map<Id, absl::Time> due_ ABSL_GUARDED_BY(mutex_);
  Id last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace

std::unique_ptr<Timers> Timers::MakeReal() {
  return std::make_unique<RealTimers>();
}

}  // namespace engram
