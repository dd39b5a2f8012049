// The rows of jobs and queues. What may happen to a job is job_editor.h's to
// know.

#ifndef ENGRAM_SERVICES_STORAGE_JOB_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_JOB_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sqlite/connection.h"
#include "services/storage/job_effects.h"

namespace engram::storage {

// What of a job changes; see 0004_jobs.sql.
struct JobRow {
  int64_t id = 0;
  int64_t queue = 0;
  JobState state = JobState::kReady;
  int64_t priority = 0;
  int64_t ready_us = 0;
  // kNeverDue if nothing is to happen by itself.
  int64_t due_us = kNeverDue;
  int64_t attempt = 0;
  int64_t failures = 0;
  int64_t max_attempts = 0;
  int64_t blockers = 0;
  int64_t dependants = 0;
  int64_t keep_us = 0;
  double progress = 0;
  // 0 if it has not begun, or ended.
  int64_t started_us = 0;
  int64_t ended_us = 0;
  std::string holder;
  // Empty if it has none.
  std::string unique_key;
};

// What does not.
struct JobSpecRow {
  int64_t created_us = 0;
  int64_t delay_us = 0;
  int64_t backoff_us = 0;
  int64_t max_backoff_us = 0;
  int64_t keep_dead_us = 0;
  std::vector<int64_t> after;
  // google.protobuf.Struct; nothing if none was given.
  std::optional<std::string> payload;
};

// One attempt that failed.
struct JobFailureRow {
  int64_t attempt = 0;
  int64_t failed_us = 0;
  std::string message;
};

struct QueueRow {
  int64_t id = 0;
  std::string name;
  bool paused = false;
  JobCounts jobs;
};

// Functions named Find return nothing where there is no such row; those that
// list return rows in the order that they name.

absl::StatusOr<std::optional<QueueRow>> FindQueue(
    sqlite::Connection& connection, absl::string_view name);
absl::StatusOr<QueueRow> InsertQueue(sqlite::Connection& connection,
                                     absl::string_view name);
// By name.
absl::StatusOr<std::vector<QueueRow>> ListQueues(
    sqlite::Connection& connection);
// Those that have jobs to lease.
absl::StatusOr<std::vector<QueueRow>> ListReadyQueues(
    sqlite::Connection& connection);
absl::Status PauseQueue(sqlite::Connection& connection, int64_t queue,
                        bool paused);
absl::Status CountJobs(sqlite::Connection& connection, int64_t queue,
                       const JobCounts& growth);
absl::StatusOr<int64_t> CountQueues(sqlite::Connection& connection);
// Forgets queues that have no jobs and are not paused, and what happened there.
absl::Status DeleteIdleQueues(sqlite::Connection& connection);

// The number of the next job, and a new one.
absl::StatusOr<int64_t> NextJob(sqlite::Connection& connection);
absl::Status StoreNextJob(sqlite::Connection& connection, int64_t next);

absl::Status InsertJob(sqlite::Connection& connection, const JobRow& job,
                       const JobSpecRow& spec);
absl::StatusOr<std::optional<JobRow>> FindJob(sqlite::Connection& connection,
                                              int64_t id);
// Stores what of the row may change; queue, priority, keep, key and the most
// attempts never do.
absl::Status UpdateJob(sqlite::Connection& connection, const JobRow& job);
// Deletes a job with all that belongs to it but edges.
absl::Status DeleteJob(sqlite::Connection& connection, int64_t id);

// `InternalError` if there is none: every job has one.
absl::StatusOr<JobSpecRow> ReadSpec(sqlite::Connection& connection, int64_t id);
// The same without payload.
absl::StatusOr<JobSpecRow> ReadSpecLimits(sqlite::Connection& connection,
                                          int64_t id);

// The unfinished job of a queue that has this key.
absl::StatusOr<std::optional<int64_t>> FindByKey(sqlite::Connection& connection,
                                                 int64_t queue,
                                                 absl::string_view key);

// A place in the order in which a queue's jobs are leased.
struct ReadyJob {
  int64_t id = 0;
  int64_t priority = 0;
  int64_t ready_us = 0;
};
// Jobs that are ready, those to lease first before others, from the one number
// `offset` on.
absl::StatusOr<std::vector<ReadyJob>> ListReady(sqlite::Connection& connection,
                                                int64_t queue, int limit,
                                                int offset);
// When the job that is ready longest became so.
absl::StatusOr<std::optional<int64_t>> OldestReady(
    sqlite::Connection& connection, int64_t queue);

// Jobs that stand somewhere and are due by then, those due first before others.
absl::StatusOr<std::vector<int64_t>> ListDue(sqlite::Connection& connection,
                                             JobState state, int64_t now_us,
                                             int limit);
// When the first job of all becomes due; kNeverDue if none will.
absl::StatusOr<int64_t> NextDue(sqlite::Connection& connection);

// Dead letters of a queue below `before`, newest first.
absl::StatusOr<std::vector<int64_t>> ListDead(sqlite::Connection& connection,
                                              int64_t queue, int64_t before,
                                              int limit);

// Keeps a failure; of a job's failures the newest ten stay.
absl::Status InsertFailure(sqlite::Connection& connection, int64_t job,
                           const JobFailureRow& failure);
// Newest first.
absl::StatusOr<std::vector<JobFailureRow>> ListFailures(
    sqlite::Connection& connection, int64_t job, int limit);
absl::StatusOr<std::optional<std::string>> FindFailure(
    sqlite::Connection& connection, int64_t job, int64_t attempt);

absl::Status InsertResult(sqlite::Connection& connection, int64_t job,
                          absl::string_view result);
absl::StatusOr<std::optional<std::string>> FindResult(
    sqlite::Connection& connection, int64_t job);
absl::Status DeleteResult(sqlite::Connection& connection, int64_t job);

absl::Status InsertEdge(sqlite::Connection& connection, int64_t job,
                        int64_t dependant);
absl::StatusOr<std::vector<int64_t>> ListDependants(
    sqlite::Connection& connection, int64_t job);
absl::StatusOr<std::vector<int64_t>> ListBlockers(
    sqlite::Connection& connection, int64_t dependant);
absl::Status DeleteEdgesFrom(sqlite::Connection& connection, int64_t job);
absl::Status DeleteEdgesTo(sqlite::Connection& connection, int64_t dependant);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_TABLE_H_
