#ifndef ENGRAM_SERVICES_STORAGE_JOB_EFFECTS_H_
#define ENGRAM_SERVICES_STORAGE_JOB_EFFECTS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace engram::storage {

// Where a job can stand: Job.State of job.proto. Stored. Never renumber: SQL
// texts hold these numbers, and up to kRunning a job has not finished.
enum class JobState {
  kReady = 1,
  kScheduled = 2,
  kBlocked = 3,
  kRunning = 4,
  kSucceeded = 5,
  kDead = 6,
  kCancelled = 7,
};

inline constexpr std::array kJobStates = {
    JobState::kReady,     JobState::kScheduled, JobState::kBlocked,
    JobState::kRunning,   JobState::kSucceeded, JobState::kDead,
    JobState::kCancelled,
};

inline bool HasFinished(JobState state) { return state > JobState::kRunning; }

// A number for each state.
class JobCounts {
 public:
  int64_t& operator[](JobState state) {
    return counts_[static_cast<size_t>(state) - 1];
  }
  int64_t operator[](JobState state) const {
    return counts_[static_cast<size_t>(state) - 1];
  }

 private:
  std::array<int64_t, kJobStates.size()> counts_ = {};
};

// The time of what is never due.
inline constexpr int64_t kNeverDue = std::numeric_limits<int64_t>::max();

// What a write did to jobs, for those who wait and for the regular work.
struct JobEffects {
  // By how much the jobs of each state grew.
  JobCounts growth;
  // Whether there may be more to lease.
  bool has_ready = false;
  // When the first of the jobs that it changed becomes due; if `due_is_exact`,
  // the first of all.
  int64_t due_us = kNeverDue;
  bool due_is_exact = false;

  // Adds what a later write did.
  void Add(const JobEffects& later) {
    for (const JobState state : kJobStates)
      growth[state] += later.growth[state];
    has_ready |= later.has_ready;
    due_us = later.due_is_exact ? later.due_us : std::min(due_us, later.due_us);
    due_is_exact |= later.due_is_exact;
  }
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_EFFECTS_H_
