#include "services/storage/job_tally.h"

#include "libs/status/status_macros.h"
#include "services/storage/job_table.h"

namespace engram::storage {
namespace {

constexpr int64_t kMinuteUs = 60'000'000;

constexpr absl::string_view kAddMinute = R"sql(
INSERT INTO _job_minutes (
  minute, queue, enqueued, leased, succeeded, failed, died, wait_us, run_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (minute, queue) DO UPDATE SET
  enqueued = enqueued + excluded.enqueued, leased = leased + excluded.leased,
  succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed,
  died = died + excluded.died, wait_us = wait_us + excluded.wait_us,
  run_us = run_us + excluded.run_us)sql";
// One minute at a time, so that no write pays for all.
constexpr absl::string_view kDeleteOldestMinute = R"sql(
DELETE FROM _job_minutes
WHERE minute = (SELECT min(minute) FROM _job_minutes) AND minute < ?)sql";
constexpr absl::string_view kListMinutes = R"sql(
SELECT minute, queue, enqueued, leased, succeeded, failed, died, wait_us, run_us
FROM _job_minutes WHERE minute >= ? ORDER BY minute, queue)sql";

bool IsEmpty(const JobMinute& minute) {
  return minute.enqueued == 0 && minute.leased == 0 && minute.succeeded == 0 &&
         minute.failed == 0 && minute.died == 0;
}

absl::Status AddMinute(sqlite::Connection& connection, int64_t queue,
                       int64_t minute, const JobMinute& sums) {
  {
    ASSIGN_OR_RETURN(sqlite::Statement add, connection.Cached(kAddMinute));
    add.BindInt(1, minute);
    add.BindInt(2, queue);
    add.BindInt(3, sums.enqueued);
    add.BindInt(4, sums.leased);
    add.BindInt(5, sums.succeeded);
    add.BindInt(6, sums.failed);
    add.BindInt(7, sums.died);
    add.BindInt(8, sums.wait_us);
    add.BindInt(9, sums.run_us);
    RETURN_IF_ERROR(add.Run());
  }
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   connection.Cached(kDeleteOldestMinute));
  remove.BindInt(1, minute - kMinutesKept / absl::Minutes(1));
  return remove.Run();
}

}  // namespace

void JobTally::Move(int64_t queue, std::optional<JobState> from,
                    std::optional<JobState> to) {
  Sums& sums = sums_[queue];
  JobEffects& effects = transaction_.effects().jobs;
  if (from.has_value()) {
    --sums.growth[*from];
    --effects.growth[*from];
  }
  if (to.has_value()) {
    ++sums.growth[*to];
    ++effects.growth[*to];
  }
  if (to == JobState::kReady) effects.has_ready = true;
}

void JobTally::NoteDue(int64_t due_us) {
  JobEffects& effects = transaction_.effects().jobs;
  effects.due_us = std::min(effects.due_us, due_us);
}

absl::Status JobTally::Store() {
  const int64_t minute = transaction_.now_us() / kMinuteUs;
  for (const auto& [queue, sums] : sums_) {
    RETURN_IF_ERROR(CountJobs(transaction_.connection(), queue, sums.growth));
    if (IsEmpty(sums.minute)) continue;
    RETURN_IF_ERROR(
        AddMinute(transaction_.connection(), queue, minute, sums.minute));
  }
  sums_.clear();
  return absl::OkStatus();
}

absl::Status VisitMinutes(sqlite::Connection& connection, int64_t from,
                          absl::FunctionRef<void(const JobMinute&)> visit) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kListMinutes));
  select.BindInt(1, from);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    visit({.queue = select.Int(1),
           .minute = select.Int(0),
           .enqueued = select.Int(2),
           .leased = select.Int(3),
           .succeeded = select.Int(4),
           .failed = select.Int(5),
           .died = select.Int(6),
           .wait_us = select.Int(7),
           .run_us = select.Int(8)});
  }
}

}  // namespace engram::storage
