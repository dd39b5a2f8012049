#include "services/storage/job_upkeep.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/job_table.h"

namespace engram::storage {
namespace {

// Calls `act` with each job that stands at `state` and is due.
template <typename Act>
absl::Status ForEachDue(JobEditor& editor, JobState state, Act act) {
  ASSIGN_OR_RETURN(
      const std::vector<int64_t> ids,
      ListDue(editor.connection(), state, editor.now_us(), kMaxDueJobs));
  for (const int64_t id : ids) {
    ASSIGN_OR_RETURN(std::optional<JobRow> job,
                     FindJob(editor.connection(), id));
    if (job.has_value()) RETURN_IF_ERROR(act(*job));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WakeDueJobs(JobEditor& editor) {
  RETURN_IF_ERROR(ForEachDue(editor, JobState::kScheduled,
                             [&](JobRow& job) { return editor.Promote(job); }));
  return ForEachDue(editor, JobState::kRunning, [&](JobRow& job) {
    return editor.Fail(
        job, {.message = absl::StrCat("the lease of ", job.holder, " ended")});
  });
}

absl::Status RunDueJobs(WriteTransaction& transaction) {
  JobEditor editor(transaction);
  RETURN_IF_ERROR(WakeDueJobs(editor));
  for (const JobState state :
       {JobState::kSucceeded, JobState::kDead, JobState::kCancelled}) {
    RETURN_IF_ERROR(ForEachDue(editor, state,
                               [&](JobRow& job) { return editor.Drop(job); }));
  }
  RETURN_IF_ERROR(editor.StoreCounts());
  JobEffects& effects = transaction.effects().jobs;
  ASSIGN_OR_RETURN(effects.due_us, NextDue(transaction.connection()));
  effects.due_is_exact = true;
  return absl::OkStatus();
}

absl::StatusOr<JobEffects> ReadJobEffects(sqlite::Connection& connection) {
  JobEffects effects;
  ASSIGN_OR_RETURN(const std::vector<QueueRow> queues, ListQueues(connection));
  for (const QueueRow& queue : queues) {
    for (const JobState state : kJobStates) {
      effects.growth[state] += queue.jobs[state];
    }
  }
  ASSIGN_OR_RETURN(effects.due_us, NextDue(connection));
  effects.due_is_exact = true;
  return effects;
}

}  // namespace engram::storage
