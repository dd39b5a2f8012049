#ifndef ENGRAM_SERVICES_STORAGE_JOB_TALLY_H_
#define ENGRAM_SERVICES_STORAGE_JOB_TALLY_H_

#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/sqlite/connection.h"
#include "services/storage/job_effects.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// For how long it is known what happened in each minute.
inline constexpr absl::Duration kMinutesKept = absl::Hours(24);

// What happened to a queue's jobs in a minute.
struct JobMinute {
  int64_t queue = 0;
  int64_t minute = 0;
  int64_t enqueued = 0;
  int64_t leased = 0;
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t died = 0;
  int64_t wait_us = 0;
  int64_t run_us = 0;
};

// Counts what one write does to jobs, and stores the sums: one row a queue, not
// one a job.
class JobTally {
 public:
  // `transaction` must outlive this object.
  explicit JobTally(WriteTransaction& transaction)
      : transaction_(transaction) {}

  // Notes that a job of a queue is at another place, is new, or is gone.
  void Move(int64_t queue, std::optional<JobState> from,
            std::optional<JobState> to);
  // Notes when something is to be done about a job.
  void NoteDue(int64_t due_us);
  // What happens in this minute.
  JobMinute& minute(int64_t queue) { return sums_[queue].minute; }

  // Stores what was counted since the last call, and drops minutes of more than
  // a day ago.
  absl::Status Store();

 private:
  struct Sums {
    JobCounts growth;
    JobMinute minute;
  };

  WriteTransaction& transaction_;
  absl::flat_hash_map<int64_t, Sums> sums_;
};

// Calls `visit` with each minute from `from` on, oldest first.
absl::Status VisitMinutes(sqlite::Connection& connection, int64_t from,
                          absl::FunctionRef<void(const JobMinute&)> visit);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_TALLY_H_
