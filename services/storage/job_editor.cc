#include "services/storage/job_editor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr int64_t kMinuteUs = 60'000'000;

// A number that looks random for each pair (the finaliser of SplitMix64).
uint64_t Mix(int64_t job, int64_t attempt) {
  uint64_t bits =
      (static_cast<uint64_t>(job) << 10) ^ static_cast<uint64_t>(attempt);
  bits += 0x9e3779b97f4a7c15;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

}  // namespace

int64_t BackoffUs(int64_t backoff_us, int64_t max_backoff_us, int64_t failures,
                  int64_t job, int64_t attempt) {
  // As doubles, which grow without overflow.
  const double doubled = std::ldexp(static_cast<double>(backoff_us),
                                    static_cast<int>(failures) - 1);
  const double capped = std::min(doubled, static_cast<double>(max_backoff_us));
  const double share = static_cast<double>(Mix(job, attempt) >> 11) * 0x1p-53;
  return static_cast<int64_t>(capped * (1 + share / 10));
}

absl::Status JobEditor::MoveTo(JobRow& job, JobState state, int64_t due_us) {
  tally_.Move(job.queue, job.state, state);
  tally_.NoteDue(due_us);
  job.state = state;
  job.due_us = due_us;
  return UpdateJob(connection(), job);
}

absl::Status JobEditor::Finish(JobRow& job, JobState state, int64_t keep_us) {
  job.ended_us = now_us();
  return MoveTo(job, state, now_us() + keep_us);
}

absl::Status JobEditor::MakeReady(JobRow& job) {
  if (job.ready_us > now_us()) {
    return MoveTo(job, JobState::kScheduled, job.ready_us);
  }
  return MoveTo(job, JobState::kReady, kNeverDue);
}

absl::StatusOr<std::optional<int64_t>> JobEditor::AddEdges(
    int64_t job, const JobSpecRow& spec, int64_t max_dependants) {
  int64_t blockers = 0;
  for (const int64_t id : spec.after) {
    ASSIGN_OR_RETURN(std::optional<JobRow> first, FindJob(connection(), id));
    if (!first.has_value() || first->state == JobState::kSucceeded) continue;
    if (first->state == JobState::kCancelled) return std::nullopt;
    if (first->dependants >= max_dependants) {
      return absl::ResourceExhaustedError(
          absl::StrCat("job ", id, " has ", first->dependants,
                       " jobs that wait for it, and no room for more"));
    }
    ++first->dependants;
    ++blockers;
    RETURN_IF_ERROR(UpdateJob(connection(), *first));
    RETURN_IF_ERROR(InsertEdge(connection(), id, job));
  }
  return blockers;
}

absl::Status JobEditor::Add(JobRow job, const JobSpecRow& spec,
                            const JobLimits& limits) {
  ASSIGN_OR_RETURN(const std::optional<int64_t> blockers,
                   AddEdges(job.id, spec, limits.max_dependants));
  if (!blockers.has_value()) {
    RETURN_IF_ERROR(RemoveEdgesTo(job.id));
    job.state = JobState::kCancelled;
    job.ended_us = now_us();
    job.due_us = now_us() + job.keep_us;
  } else if (*blockers > 0) {
    job.state = JobState::kBlocked;
    job.blockers = *blockers;
  } else if (job.ready_us > now_us()) {
    job.state = JobState::kScheduled;
    job.due_us = job.ready_us;
  }
  tally_.Move(job.queue, std::nullopt, job.state);
  tally_.NoteDue(job.due_us);
  ++tally_.minute(job.queue).enqueued;
  return InsertJob(connection(), job, spec);
}

absl::Status JobEditor::Lease(JobRow& job, absl::string_view holder,
                              int64_t until_us) {
  JobMinute& minute = tally_.minute(job.queue);
  ++minute.leased;
  minute.wait_us += now_us() - job.ready_us;
  ++job.attempt;
  job.started_us = now_us();
  job.progress = 0;
  job.holder = std::string(holder);
  return MoveTo(job, JobState::kRunning, until_us);
}

absl::Status JobEditor::Extend(JobRow& job, int64_t until_us,
                               std::optional<double> progress) {
  job.progress = progress.value_or(job.progress);
  return MoveTo(job, JobState::kRunning, until_us);
}

absl::Status JobEditor::Succeed(JobRow& job, absl::string_view result) {
  JobMinute& minute = tally_.minute(job.queue);
  ++minute.succeeded;
  minute.run_us += now_us() - job.started_us;
  job.progress = 1;
  if (!result.empty()) {
    RETURN_IF_ERROR(InsertResult(connection(), job.id, result));
  }
  if (job.dependants > 0) RETURN_IF_ERROR(ReleaseDependants(job));
  return Finish(job, JobState::kSucceeded, job.keep_us);
}

absl::Status JobEditor::ReleaseDependants(JobRow& job) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> ids,
                   ListDependants(connection(), job.id));
  for (const int64_t id : ids) {
    ASSIGN_OR_RETURN(std::optional<JobRow> dependant,
                     FindJob(connection(), id));
    if (!dependant.has_value()) continue;
    if (--dependant->blockers > 0) {
      RETURN_IF_ERROR(UpdateJob(connection(), *dependant));
      continue;
    }
    // It was not ready before now, whatever its delay.
    dependant->ready_us = std::max(dependant->ready_us, now_us());
    RETURN_IF_ERROR(MakeReady(*dependant));
  }
  job.dependants = 0;
  return DeleteEdgesFrom(connection(), job.id);
}

absl::Status JobEditor::Fail(JobRow& job, const JobFailureReport& report) {
  JobMinute& minute = tally_.minute(job.queue);
  ++minute.failed;
  minute.run_us += now_us() - job.started_us;
  ++job.failures;
  RETURN_IF_ERROR(InsertFailure(connection(), job.id,
                                {.attempt = job.attempt,
                                 .failed_us = now_us(),
                                 .message = report.message}));
  ASSIGN_OR_RETURN(const JobSpecRow spec, ReadSpecLimits(connection(), job.id));
  if (report.permanent || job.failures >= job.max_attempts) {
    ++minute.died;
    return Finish(job, JobState::kDead, spec.keep_dead_us);
  }
  job.ready_us = now_us() + report.retry_delay_us.value_or(
                                BackoffUs(spec.backoff_us, spec.max_backoff_us,
                                          job.failures, job.id, job.attempt));
  return MakeReady(job);
}

absl::Status JobEditor::RemoveEdgesTo(int64_t job) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> ids,
                   ListBlockers(connection(), job));
  for (const int64_t id : ids) {
    ASSIGN_OR_RETURN(std::optional<JobRow> first, FindJob(connection(), id));
    if (!first.has_value()) continue;
    --first->dependants;
    RETURN_IF_ERROR(UpdateJob(connection(), *first));
  }
  if (ids.empty()) return absl::OkStatus();
  return DeleteEdgesTo(connection(), job);
}

absl::Status JobEditor::Cancel(const JobRow& job, const JobLimits& limits,
                               int64_t* cancelled) {
  std::vector<int64_t> pending = {job.id};
  while (!pending.empty()) {
    const int64_t id = pending.back();
    pending.pop_back();
    ASSIGN_OR_RETURN(std::optional<JobRow> found, FindJob(connection(), id));
    if (!found.has_value() || !CanCancel(*found)) continue;
    if (++*cancelled > limits.max_cancelled) {
      return absl::FailedPreconditionError(absl::StrCat(
          "more than ", limits.max_cancelled,
          " jobs would be cancelled, with those that wait for them; nothing "
          "was: cancel some of those that wait first"));
    }
    if (found->state == JobState::kBlocked) {
      RETURN_IF_ERROR(RemoveEdgesTo(id));
      found->blockers = 0;
    }
    if (found->dependants > 0) {
      ASSIGN_OR_RETURN(const std::vector<int64_t> dependants,
                       ListDependants(connection(), id));
      // Each takes its edge away when its turn comes.
      pending.insert(pending.end(), dependants.begin(), dependants.end());
    }
    RETURN_IF_ERROR(Finish(*found, JobState::kCancelled, found->keep_us));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> JobEditor::Retry(JobRow& job) {
  if (!job.unique_key.empty()) {
    ASSIGN_OR_RETURN(const std::optional<int64_t> other,
                     FindByKey(connection(), job.queue, job.unique_key));
    if (other.has_value()) return false;
  }
  ASSIGN_OR_RETURN(JobSpecRow spec, ReadSpecLimits(connection(), job.id));
  RETURN_IF_ERROR(DeleteResult(connection(), job.id));
  job.failures = 0;
  job.progress = 0;
  job.ended_us = 0;
  job.ready_us = now_us();
  // Who asks for a job by name wants it, even if one before it was cancelled.
  std::vector<int64_t> held;
  for (const int64_t id : spec.after) {
    ASSIGN_OR_RETURN(const std::optional<JobRow> first,
                     FindJob(connection(), id));
    if (first.has_value() && first->state != JobState::kCancelled) {
      held.push_back(id);
    }
  }
  spec.after = std::move(held);
  ASSIGN_OR_RETURN(const std::optional<int64_t> blockers,
                   AddEdges(job.id, spec, std::numeric_limits<int64_t>::max()));
  job.blockers = blockers.value_or(0);
  RETURN_IF_ERROR(job.blockers > 0 ? MoveTo(job, JobState::kBlocked, kNeverDue)
                                   : MakeReady(job));
  return true;
}

absl::Status JobEditor::Promote(JobRow& job) {
  return MoveTo(job, JobState::kReady, kNeverDue);
}

absl::Status JobEditor::Drop(JobRow& job) {
  if (job.dependants > 0) {
    // Only a dead letter's stay. It is asked again later: this is rare, so a
    // minute at least.
    ASSIGN_OR_RETURN(const JobSpecRow spec,
                     ReadSpecLimits(connection(), job.id));
    return MoveTo(job, job.state,
                  now_us() + std::max(spec.keep_dead_us, kMinuteUs));
  }
  tally_.Move(job.queue, job.state, std::nullopt);
  return DeleteJob(connection(), job.id);
}

}  // namespace engram::storage
