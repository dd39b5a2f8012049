// What is to be done about jobs when their time has come.

#ifndef ENGRAM_SERVICES_STORAGE_JOB_UPKEEP_H_
#define ENGRAM_SERVICES_STORAGE_JOB_UPKEEP_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/sqlite/connection.h"
#include "services/storage/job_editor.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Jobs of a kind that one round takes: a part of a commit that nobody minds.
inline constexpr int kMaxDueJobs = 500;

// Makes jobs ready whose time has come, and ends attempts whose lease has.
absl::Status WakeDueJobs(JobEditor& editor);

// The same, and drops jobs that were kept long enough. The write's effects say
// when to come again, at once perhaps.
absl::Status RunDueJobs(WriteTransaction& transaction);

// What a file holds when it is opened: its jobs as growth, and when the first
// is due.
absl::StatusOr<JobEffects> ReadJobEffects(sqlite::Connection& connection);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_UPKEEP_H_
