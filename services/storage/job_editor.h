#ifndef ENGRAM_SERVICES_STORAGE_JOB_EDITOR_H_
#define ENGRAM_SERVICES_STORAGE_JOB_EDITOR_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/job_table.h"
#include "services/storage/job_tally.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What is too much, for tests to lower.
struct JobLimits {
  // Jobs of a database that have not finished.
  int64_t max_unfinished = 10'000'000;
  int64_t max_queues = 1000;
  // Jobs that wait for one job.
  int64_t max_dependants = 10'000;
  // Jobs that one call cancels, with those that wait for them.
  int64_t max_cancelled = 10'000;
};

// What a worker says of an attempt that failed.
struct JobFailureReport {
  std::string message;
  bool permanent = false;
  // In place of the backoff.
  std::optional<int64_t> retry_delay_us;
};

// How long a job waits after its failure number `failures`, in microseconds:
// its backoff, doubled with each failure and capped, and up to a tenth more.
// Jobs and attempts differ in that tenth, but the same attempt of the same job
// always waits the same.
int64_t BackoffUs(int64_t backoff_us, int64_t max_backoff_us, int64_t failures,
                  int64_t job, int64_t attempt);

// Takes jobs from one place to another, with all that has to go along: counts,
// those who wait for them, when they are due. Used within one write, on the
// writer's thread; a function that changes a job changes `job` with it.
class JobEditor {
 public:
  // `transaction` must outlive this object.
  explicit JobEditor(WriteTransaction& transaction)
      : transaction_(transaction), tally_(transaction) {}

  sqlite::Connection& connection() { return transaction_.connection(); }
  int64_t now_us() const { return transaction_.now_us(); }

  // Adds a job; its `spec.after` says what it waits for. Jobs that succeeded,
  // or are not kept any more, do not hold it; one that was cancelled cancels
  // it. `ResourceExhausted` if too many wait for one job.
  absl::Status Add(JobRow job, const JobSpecRow& spec, const JobLimits& limits);

  // Gives a job that is ready to a worker.
  absl::Status Lease(JobRow& job, absl::string_view holder, int64_t until_us);
  // Makes a running job's lease last until then.
  absl::Status Extend(JobRow& job, int64_t until_us,
                      std::optional<double> progress);
  // Ends a running job; those that wait for it go on. `result` may be empty.
  absl::Status Succeed(JobRow& job, absl::string_view result);
  // Ends a running job's attempt.
  absl::Status Fail(JobRow& job, const JobFailureReport& report);
  // Cancels a job that can be (CanCancel) and all that wait for it, and adds
  // them to `cancelled`; `FailedPrecondition` if that goes beyond the limit.
  absl::Status Cancel(const JobRow& job, const JobLimits& limits,
                      int64_t* cancelled);
  // Makes a finished job ready again, or lets it wait for what it is to come
  // after. Returns false if another job has its key.
  absl::StatusOr<bool> Retry(JobRow& job);
  // Makes a job ready whose time has come.
  absl::Status Promote(JobRow& job);
  // Deletes a finished job whose time has come; a dead letter that others wait
  // for stays.
  absl::Status Drop(JobRow& job);

  // Not those that succeeded or were cancelled.
  static bool CanCancel(const JobRow& job) {
    return !HasFinished(job.state) || job.state == JobState::kDead;
  }

  // Stores counts: before they are read, and as the last act.
  absl::Status StoreCounts() { return tally_.Store(); }

 private:
  absl::Status MoveTo(JobRow& job, JobState state, int64_t due_us);
  absl::Status Finish(JobRow& job, JobState state, int64_t keep_us);
  // Where a job goes that nothing holds but perhaps its time.
  absl::Status MakeReady(JobRow& job);
  // Notes what holds a job; returns how many jobs do, or nothing if one of them
  // was cancelled.
  absl::StatusOr<std::optional<int64_t>> AddEdges(int64_t job,
                                                  const JobSpecRow& spec,
                                                  int64_t max_dependants);
  absl::Status ReleaseDependants(JobRow& job);
  absl::Status RemoveEdgesTo(int64_t job);

  WriteTransaction& transaction_;
  JobTally tally_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_EDITOR_H_
