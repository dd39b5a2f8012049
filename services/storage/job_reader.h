// What can be known of a database's jobs without changing them.

#ifndef ENGRAM_SERVICES_STORAGE_JOB_READER_H_
#define ENGRAM_SERVICES_STORAGE_JOB_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/storage/v1/job.pb.h"
#include "libs/sqlite/connection.h"
#include "services/storage/job_effects.h"

namespace engram::storage {

// Rows that one page looks at: a page may be shorter than was asked for, or
// empty, and name a next one, where jobs that are wanted are rare.
inline constexpr int kMaxRowsLookedAt = 100'000;

// All use `connection`, one of the database's readers, with a transaction open.

// `NotFound`, reason `JOB_UNKNOWN`, if there is none.
absl::Status GetJob(sqlite::Connection& connection, absl::string_view database,
                    int64_t id, v1::Job* job);

// Which jobs a list is of.
struct JobList {
  // Empty is every queue.
  std::string queue;
  // None is all of them.
  std::vector<JobState> states;
  int page_size = 100;
  // Only jobs below it.
  int64_t before = kNeverDue;
  int max_rows = kMaxRowsLookedAt;
};

// Adds a page, and the token of the next.
absl::Status ListJobs(sqlite::Connection& connection, const JobList& list,
                      v1::JobServiceListResponse* response);

// Describes queues, those of these names or all, with what happened since
// `window` ago.
absl::Status ReadJobStats(sqlite::Connection& connection,
                          const std::vector<std::string>& queues,
                          absl::Duration window, int64_t now_us,
                          v1::JobServiceStatsResponse* response);

// The name under which page tokens are made.
inline constexpr absl::string_view kJobsList = "jobs";

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_READER_H_
