#include "services/storage/job_queue.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/job_upkeep.h"
#include "services/storage/request_log.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kEnqueue = "engram.storage.v1.JobService/Enqueue";

// Failures that a worker is told of.
constexpr int kFailuresTold = 10;
// Jobs that are read at a time of each queue, where a worker takes several.
constexpr int kReadAhead = 64;
// Dead letters that one write retries.
constexpr int kRetryPart = 500;

absl::StatusOr<QueueRow> FindOrMakeQueue(sqlite::Connection& connection,
                                         const std::string& name,
                                         const JobLimits& limits) {
  ASSIGN_OR_RETURN(std::optional<QueueRow> queue, FindQueue(connection, name));
  if (queue.has_value()) return *std::move(queue);
  ASSIGN_OR_RETURN(int64_t count, CountQueues(connection));
  if (count >= limits.max_queues) {
    RETURN_IF_ERROR(DeleteIdleQueues(connection));
    ASSIGN_OR_RETURN(count, CountQueues(connection));
  }
  if (count >= limits.max_queues) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the database has ", count, " queues with jobs, so \"", name,
        "\" cannot be made; put what tells jobs apart into their payload"));
  }
  return InsertQueue(connection, name);
}

// Refuses jobs that are to come after one that never was.
absl::Status CheckAfter(const JobBatch& batch, int64_t next) {
  FieldViolations violations;
  for (size_t i = 0; i < batch.jobs.size(); ++i) {
    for (size_t j = 0; j < batch.jobs[i].after.size(); ++j) {
      const int64_t id = batch.jobs[i].after[j];
      if (id < next) continue;
      violations.Add(absl::StrCat("jobs[", i, "].after[", j, "]"),
                     absl::StrCat("is ", id,
                                  ", a job that never was; jobs of the same "
                                  "request go into after_items"));
    }
  }
  return violations.ToStatus();
}

// Adds one job; jobs before it in the batch are in `response`.
absl::Status EnqueueJob(JobEditor& editor, const QueueRow& queue, NewJob& job,
                        int64_t& next, const JobLimits& limits,
                        v1::EnqueueResponse* response) {
  v1::EnqueuedJob& added = *response->add_jobs();
  if (!job.row.unique_key.empty()) {
    ASSIGN_OR_RETURN(
        const std::optional<int64_t> other,
        FindByKey(editor.connection(), queue.id, job.row.unique_key));
    if (other.has_value()) {
      added.set_id(*other);
      added.set_existed(true);
      return absl::OkStatus();
    }
  }
  added.set_id(next);
  job.row.id = next++;
  job.row.queue = queue.id;
  job.row.ready_us = editor.now_us() + job.spec.delay_us;
  job.spec.created_us = editor.now_us();
  job.spec.after = job.after;
  for (const int place : job.after_items) {
    job.spec.after.push_back(response->jobs(place).id());
  }
  std::sort(job.spec.after.begin(), job.spec.after.end());
  job.spec.after.erase(
      std::unique(job.spec.after.begin(), job.spec.after.end()),
      job.spec.after.end());
  return editor.Add(job.row, job.spec, limits);
}

absl::Status AddJobs(WriteTransaction& transaction, JobBatch& batch,
                     const JobLimits& limits, v1::EnqueueResponse* response) {
  JobEditor editor(transaction);
  ASSIGN_OR_RETURN(int64_t next, NextJob(editor.connection()));
  RETURN_IF_ERROR(CheckAfter(batch, next));
  absl::flat_hash_map<std::string, QueueRow> queues;
  for (NewJob& job : batch.jobs) {
    auto queue = queues.find(job.queue);
    if (queue == queues.end()) {
      // Stored first: what makes room for a queue looks at the counts.
      RETURN_IF_ERROR(editor.StoreCounts());
      ASSIGN_OR_RETURN(QueueRow found,
                       FindOrMakeQueue(editor.connection(), job.queue, limits));
      queue = queues.emplace(job.queue, std::move(found)).first;
    }
    RETURN_IF_ERROR(
        EnqueueJob(editor, queue->second, job, next, limits, response));
  }
  RETURN_IF_ERROR(StoreNextJob(editor.connection(), next));
  return editor.StoreCounts();
}

// The ready jobs of several queues, in the order in which they are leased.
class ReadyJobs {
 public:
  ReadyJobs(sqlite::Connection& connection, std::vector<QueueRow> queues,
            int limit)
      : connection_(connection),
        // One queue alone is read at once.
        part_(queues.size() == 1 ? limit : std::min(limit, kReadAhead)) {
    for (QueueRow& queue : queues) {
      sources_.push_back({.queue = std::move(queue)});
    }
  }

  absl::Status Begin() {
    for (size_t i = 0; i < sources_.size(); ++i) RETURN_IF_ERROR(Refill(i));
    return absl::OkStatus();
  }

  // The next job's number and its queue; nothing after the last.
  absl::StatusOr<std::optional<std::pair<int64_t, const QueueRow*>>> Next() {
    if (heads_.empty()) return std::nullopt;
    const Head head = heads_.top();
    heads_.pop();
    Source& source = sources_[head.source];
    if (++source.next < source.jobs.size()) {
      Push(head.source);
    } else {
      RETURN_IF_ERROR(Refill(head.source));
    }
    return std::pair(head.job.id, static_cast<const QueueRow*>(&source.queue));
  }

 private:
  struct Source {
    QueueRow queue;
    std::vector<ReadyJob> jobs;
    size_t next = 0;
    int read = 0;
  };
  struct Head {
    ReadyJob job;
    size_t source;
    // The largest is leased first.
    bool operator<(const Head& other) const {
      return std::tuple(job.priority, -job.ready_us, -job.id) <
             std::tuple(other.job.priority, -other.job.ready_us, -other.job.id);
    }
  };

  void Push(size_t index) {
    const Source& source = sources_[index];
    heads_.push({.job = source.jobs[source.next], .source = index});
  }

  absl::Status Refill(size_t index) {
    Source& source = sources_[index];
    ASSIGN_OR_RETURN(source.jobs, ListReady(connection_, source.queue.id, part_,
                                            source.read));
    source.read += static_cast<int>(source.jobs.size());
    source.next = 0;
    if (!source.jobs.empty()) Push(index);
    return absl::OkStatus();
  }

  sqlite::Connection& connection_;
  const int part_;
  std::vector<Source> sources_;
  std::priority_queue<Head> heads_;
};

absl::StatusOr<std::vector<QueueRow>> FindWantedQueues(
    sqlite::Connection& connection, const WantedJobs& wanted) {
  if (wanted.queues.empty()) return ListReadyQueues(connection);
  std::vector<QueueRow> queues;
  for (const std::string& name : wanted.queues) {
    ASSIGN_OR_RETURN(std::optional<QueueRow> queue,
                     FindQueue(connection, name));
    if (queue.has_value() && !queue->paused) queues.push_back(*queue);
  }
  return queues;
}

// Leases one job, or nothing if it would be more than `bytes`, and takes it off
// them.
absl::StatusOr<std::optional<JobView>> LeaseJob(JobEditor& editor, int64_t id,
                                                const QueueRow& queue,
                                                const WantedJobs& wanted,
                                                bool is_first, int64_t& bytes) {
  ASSIGN_OR_RETURN(std::optional<JobRow> row, FindJob(editor.connection(), id));
  if (!row.has_value()) return absl::InternalError("a ready job is missing");
  JobView job = {.row = *std::move(row), .queue = queue.name};
  ASSIGN_OR_RETURN(job.spec, ReadSpec(editor.connection(), id));
  if (job.row.attempt > 0) {
    ASSIGN_OR_RETURN(job.failures,
                     ListFailures(editor.connection(), id, kFailuresTold));
  }
  bytes -= MessageBytes(job);
  if (bytes < 0 && !is_first) return std::nullopt;
  RETURN_IF_ERROR(
      editor.Lease(job.row, wanted.holder, editor.now_us() + wanted.lease_us));
  return job;
}

// Whether this attempt of a job runs.
bool Holds(const std::optional<JobRow>& job, int64_t attempt) {
  return job.has_value() && job->state == JobState::kRunning &&
         job->attempt == attempt;
}

// Says that the call did nothing to a job, or, with `was_done`, had done it
// before.
v1::LeaseResult Explain(const std::optional<JobRow>& job, int64_t attempt,
                        bool was_done = false) {
  v1::LeaseResult result;
  result.set_outcome(v1::LeaseResult::OUTCOME_LOST);
  if (!job.has_value()) return result;
  result.set_state(static_cast<v1::Job::State>(job->state));
  if (job->attempt != attempt) return result;
  if (was_done) {
    result.set_outcome(v1::LeaseResult::OUTCOME_OK);
  } else if (job->state == JobState::kCancelled) {
    result.set_outcome(v1::LeaseResult::OUTCOME_CANCELLED);
  }
  return result;
}

v1::LeaseResult Done(const JobRow& job) {
  v1::LeaseResult result;
  result.set_outcome(v1::LeaseResult::OUTCOME_OK);
  result.set_state(static_cast<v1::Job::State>(job.state));
  return result;
}

}  // namespace

absl::Status EnqueueJobs(WriteTransaction& transaction, JobBatch& batch,
                         int64_t unfinished, const JobLimits& limits,
                         v1::EnqueueResponse* response) {
  response->Clear();
  if (!batch.request_id.empty()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> first,
                     FindResponse(transaction, kEnqueue, batch.request_id,
                                  batch.request_hash));
    if (first.has_value()) {
      return response->ParseFromString(*first)
                 ? absl::OkStatus()
                 : absl::DataLossError("a kept response cannot be read");
    }
  }
  if (unfinished + static_cast<int64_t>(batch.jobs.size()) >
      limits.max_unfinished) {
    return WithRetryDelay(
        absl::ResourceExhaustedError(absl::StrCat(
            "the database has ", unfinished,
            " jobs that have not finished, and no room for ", batch.jobs.size(),
            " more; let workers finish some first")),
        absl::Seconds(1));
  }
  RETURN_IF_ERROR(AddJobs(transaction, batch, limits, response));
  if (batch.request_id.empty()) return absl::OkStatus();
  return KeepResponse(transaction, kEnqueue, batch.request_id,
                      batch.request_hash, response->SerializeAsString());
}

absl::Status LeaseJobs(WriteTransaction& transaction, const WantedJobs& wanted,
                       std::vector<JobView>* jobs) {
  jobs->clear();
  JobEditor editor(transaction);
  RETURN_IF_ERROR(WakeDueJobs(editor));
  RETURN_IF_ERROR(editor.StoreCounts());
  ASSIGN_OR_RETURN(std::vector<QueueRow> queues,
                   FindWantedQueues(editor.connection(), wanted));
  ReadyJobs ready(editor.connection(), std::move(queues), wanted.max_jobs);
  RETURN_IF_ERROR(ready.Begin());
  // All are read before the first is leased, which changes what is read.
  std::vector<std::pair<int64_t, const QueueRow*>> chosen;
  while (chosen.size() < static_cast<size_t>(wanted.max_jobs)) {
    ASSIGN_OR_RETURN(const auto next, ready.Next());
    if (!next.has_value()) break;
    chosen.push_back(*next);
  }
  int64_t bytes = wanted.max_bytes;
  for (const auto& [id, queue] : chosen) {
    ASSIGN_OR_RETURN(
        std::optional<JobView> job,
        LeaseJob(editor, id, *queue, wanted, jobs->empty(), bytes));
    if (!job.has_value()) break;
    jobs->push_back(*std::move(job));
  }
  return editor.StoreCounts();
}

absl::Status HeartbeatJobs(WriteTransaction& transaction,
                           const v1::HeartbeatRequest& request,
                           int64_t lease_us, v1::HeartbeatResponse* response) {
  response->Clear();
  JobEditor editor(transaction);
  const int64_t until_us = editor.now_us() + lease_us;
  *response->mutable_lease_expire_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(until_us);
  for (const v1::JobHeartbeat& heartbeat : request.jobs()) {
    const v1::JobLease& lease = heartbeat.lease();
    ASSIGN_OR_RETURN(std::optional<JobRow> job,
                     FindJob(editor.connection(), lease.id()));
    if (!Holds(job, lease.attempt())) {
      *response->add_results() = Explain(job, lease.attempt());
      continue;
    }
    RETURN_IF_ERROR(editor.Extend(*job, until_us,
                                  heartbeat.has_progress()
                                      ? std::optional(heartbeat.progress())
                                      : std::nullopt));
    *response->add_results() = Done(*job);
  }
  return editor.StoreCounts();
}

absl::Status CompleteJobs(WriteTransaction& transaction,
                          absl::Span<const JobCompletion> jobs,
                          v1::CompleteResponse* response) {
  response->Clear();
  JobEditor editor(transaction);
  for (const JobCompletion& completion : jobs) {
    ASSIGN_OR_RETURN(std::optional<JobRow> job,
                     FindJob(editor.connection(), completion.id));
    if (!Holds(job, completion.attempt)) {
      *response->add_results() =
          Explain(job, completion.attempt,
                  job.has_value() && job->state == JobState::kSucceeded);
      continue;
    }
    RETURN_IF_ERROR(editor.Succeed(*job, completion.result));
    *response->add_results() = Done(*job);
  }
  return editor.StoreCounts();
}

absl::Status FailJobs(WriteTransaction& transaction,
                      absl::Span<const FailedJob> jobs,
                      v1::FailResponse* response) {
  response->Clear();
  JobEditor editor(transaction);
  for (const FailedJob& failed : jobs) {
    ASSIGN_OR_RETURN(std::optional<JobRow> job,
                     FindJob(editor.connection(), failed.id));
    if (!Holds(job, failed.attempt)) {
      // A repeat finds its own words.
      ASSIGN_OR_RETURN(
          const std::optional<std::string> message,
          FindFailure(editor.connection(), failed.id, failed.attempt));
      *response->add_results() =
          Explain(job, failed.attempt, message == failed.report.message);
      continue;
    }
    RETURN_IF_ERROR(editor.Fail(*job, failed.report));
    *response->add_results() = Done(*job);
  }
  return editor.StoreCounts();
}

absl::StatusOr<int64_t> CancelJobs(WriteTransaction& transaction,
                                   absl::Span<const int64_t> ids,
                                   const JobLimits& limits) {
  JobEditor editor(transaction);
  int64_t cancelled = 0;
  for (const int64_t id : ids) {
    ASSIGN_OR_RETURN(const std::optional<JobRow> job,
                     FindJob(editor.connection(), id));
    if (!job.has_value()) continue;
    RETURN_IF_ERROR(editor.Cancel(*job, limits, &cancelled));
  }
  RETURN_IF_ERROR(editor.StoreCounts());
  return cancelled;
}

absl::StatusOr<int64_t> RetryJobs(WriteTransaction& transaction,
                                  absl::Span<const int64_t> ids) {
  JobEditor editor(transaction);
  // In the order of their numbers: one that comes after another of them waits
  // for it again.
  std::vector<int64_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  int64_t retried = 0;
  for (const int64_t id : sorted) {
    ASSIGN_OR_RETURN(std::optional<JobRow> job,
                     FindJob(editor.connection(), id));
    if (!job.has_value() || !HasFinished(job->state)) continue;
    ASSIGN_OR_RETURN(const bool is_ready, editor.Retry(*job));
    if (is_ready) ++retried;
  }
  RETURN_IF_ERROR(editor.StoreCounts());
  return retried;
}

absl::StatusOr<QueueRetry> RetryDeadLetters(WriteTransaction& transaction,
                                            const std::string& queue,
                                            QueueRetry retry) {
  ASSIGN_OR_RETURN(const std::optional<QueueRow> found,
                   FindQueue(transaction.connection(), queue));
  std::vector<int64_t> ids;
  if (found.has_value()) {
    ASSIGN_OR_RETURN(ids, ListDead(transaction.connection(), found->id,
                                   retry.before, kRetryPart));
  }
  if (!ids.empty()) retry.before = ids.back();
  retry.has_ended = ids.size() < kRetryPart;
  ASSIGN_OR_RETURN(const int64_t retried, RetryJobs(transaction, ids));
  retry.retried += retried;
  return retry;
}

absl::Status PauseJobs(WriteTransaction& transaction, const std::string& queue,
                       bool paused, const JobLimits& limits) {
  ASSIGN_OR_RETURN(const QueueRow found,
                   FindOrMakeQueue(transaction.connection(), queue, limits));
  // Those who waited look again.
  if (!paused) transaction.effects().jobs.has_ready = true;
  return PauseQueue(transaction.connection(), found.id, paused);
}

}  // namespace engram::storage
