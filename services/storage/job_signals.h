#ifndef ENGRAM_SERVICES_STORAGE_JOB_SIGNALS_H_
#define ENGRAM_SERVICES_STORAGE_JOB_SIGNALS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "services/storage/job_effects.h"
#include "services/storage/storage_metrics.h"
#include "services/storage/wait_list.h"

namespace engram::storage {

// Workers of one database that may wait for jobs; each is woken by every commit
// that makes jobs ready, and takes some 10 us of the writer to find that others
// were first.
inline constexpr size_t kMaxWaitingWorkers = 1000;

// What a database keeps in memory of its jobs: who waits for them, and when
// something is to be done about one.
//
// Thread-safe, but Note is called by one thread at a time.
class JobSignals {
 public:
  // `metrics` must outlive this object.
  explicit JobSignals(StorageMetrics* metrics) : metrics_(metrics) {}

  // Takes note of a commit, or of what a file holds when it is opened.
  void Note(const JobEffects& effects) {
    for (const JobState state : kJobStates) {
      const int64_t growth = effects.growth[state];
      if (growth == 0) continue;
      count(state) += growth;
      metrics_->jobs(state).Increment(static_cast<double>(growth));
    }
    if (effects.due_is_exact || effects.due_us < due_us_) {
      due_us_ = effects.due_us;
    }
    if (effects.has_ready) waiters_.Notify();
  }

  // When the first job becomes ready, loses its lease or is dropped; perhaps a
  // little early.
  int64_t due_us() const { return due_us_; }

  // Jobs that have not finished.
  int64_t unfinished() const {
    int64_t sum = 0;
    for (const JobState state : kJobStates) {
      if (!HasFinished(state)) sum += count(state);
    }
    return sum;
  }

  // Wakes those who wait, for good.
  void Stop() { waiters_.Stop(); }
  // Takes its jobs out of the metrics: its database is closed.
  void Forget() {
    JobEffects effects;
    for (const JobState state : kJobStates) {
      effects.growth[state] = -count(state).load();
    }
    Note(effects);
  }

  // Tells that a worker waits, or no longer does.
  void NoteWaiting(int growth) { metrics_->waiting_workers.Increment(growth); }

  // Notified when there may be jobs to lease.
  WaitList& waiters() { return waiters_; }

 private:
  std::atomic<int64_t>& count(JobState state) {
    return counts_[static_cast<size_t>(state) - 1];
  }
  const std::atomic<int64_t>& count(JobState state) const {
    return counts_[static_cast<size_t>(state) - 1];
  }

  StorageMetrics* const metrics_;
  WaitList waiters_{kMaxWaitingWorkers};
  std::atomic<int64_t> due_us_ = kNeverDue;
  std::array<std::atomic<int64_t>, kJobStates.size()> counts_ = {};
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_SIGNALS_H_
