// What calls do to a database's jobs. Each function is one write: it runs on
// the writer's thread, is undone as a whole after an error, and may be called
// again then.

#ifndef ENGRAM_SERVICES_STORAGE_JOB_QUEUE_H_
#define ENGRAM_SERVICES_STORAGE_JOB_QUEUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engram/storage/v1/job.pb.h"
#include "services/storage/job_editor.h"
#include "services/storage/job_table.h"
#include "services/storage/job_view.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// A job to add.
struct NewJob {
  std::string queue;
  // Priority, most attempts, keep and key.
  JobRow row;
  // All but what the writer finds out: `created_us` and `after`.
  JobSpecRow spec;
  // Jobs that it comes after: numbers, and places in the batch.
  std::vector<int64_t> after;
  std::vector<int> after_items;
};

struct JobBatch {
  std::vector<NewJob> jobs;
  std::string request_id;
  std::string request_hash;
};

// Adds jobs. `unfinished` is how many the database has that have not finished.
// `InvalidArgument` if a job is to come after one that never was;
// `ResourceExhausted` beyond a limit.
absl::Status EnqueueJobs(WriteTransaction& transaction, JobBatch& batch,
                         int64_t unfinished, const JobLimits& limits,
                         v1::EnqueueResponse* response);

// What a worker asks for.
struct WantedJobs {
  // None is all of them.
  std::vector<std::string> queues;
  std::string holder;
  int max_jobs = 1;
  int64_t lease_us = 0;
  // Of their messages; the first job may be larger.
  int64_t max_bytes = int64_t{2} << 20;
};

// Leases jobs, after it made those ready whose time has come.
absl::Status LeaseJobs(WriteTransaction& transaction, const WantedJobs& wanted,
                       std::vector<JobView>* jobs);

// The next four do what they do to leases that hold, and say of each what
// became of it.

absl::Status HeartbeatJobs(WriteTransaction& transaction,
                           const v1::HeartbeatRequest& request,
                           int64_t lease_us, v1::HeartbeatResponse* response);

// One job that succeeded.
struct JobCompletion {
  int64_t id = 0;
  int64_t attempt = 0;
  // google.protobuf.Struct; empty is nothing.
  std::string result;
};

absl::Status CompleteJobs(WriteTransaction& transaction,
                          absl::Span<const JobCompletion> jobs,
                          v1::CompleteResponse* response);

// One attempt that failed.
struct FailedJob {
  int64_t id = 0;
  int64_t attempt = 0;
  JobFailureReport report;
};

absl::Status FailJobs(WriteTransaction& transaction,
                      absl::Span<const FailedJob> jobs,
                      v1::FailResponse* response);

// Cancels jobs and those that wait for them; returns how many.
absl::StatusOr<int64_t> CancelJobs(WriteTransaction& transaction,
                                   absl::Span<const int64_t> ids,
                                   const JobLimits& limits);

// Makes finished jobs ready again; returns how many.
absl::StatusOr<int64_t> RetryJobs(WriteTransaction& transaction,
                                  absl::Span<const int64_t> ids);

// How far a retry of all of a queue's dead letters is.
struct QueueRetry {
  // Those from this number on were looked at.
  int64_t before = kNeverDue;
  int64_t retried = 0;
  bool has_ended = false;
};

// Retries the next of them, a bounded part.
absl::StatusOr<QueueRetry> RetryDeadLetters(WriteTransaction& transaction,
                                            const std::string& queue,
                                            QueueRetry retry);

// Stops a queue, or lets it go on; makes it if there is none.
absl::Status PauseJobs(WriteTransaction& transaction, const std::string& queue,
                       bool paused, const JobLimits& limits);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_QUEUE_H_
