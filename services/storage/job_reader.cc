#include "services/storage/job_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/job_table.h"
#include "services/storage/job_tally.h"
#include "services/storage/job_view.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr int64_t kMinuteUs = 60'000'000;
constexpr int kFailuresTold = 10;
// A page ends with the job that takes it beyond this.
constexpr int64_t kPageBytes = int64_t{2} << 20;
// Minutes in one answer: some 2 MB.
constexpr int64_t kMaxMinutesTold = 20'000;

// Newest first. What is wanted is looked for here rather than by SQLite, which
// could not stop after so many rows.
constexpr absl::string_view kScan = R"sql(
SELECT job, queue, state FROM _jobs WHERE job < ? ORDER BY job DESC LIMIT ?)sql";
// The few that run, in place of all that ever did.
constexpr absl::string_view kListRunning = R"sql(
SELECT job, queue, state FROM _jobs INDEXED BY _jobs_due
WHERE state = 4 AND due_us IS NOT NULL AND job < ?
ORDER BY job DESC LIMIT ?)sql";
constexpr absl::string_view kListDead = R"sql(
SELECT job, queue, state FROM _jobs INDEXED BY _jobs_dead
WHERE queue = ? AND state = 6 AND job < ? ORDER BY job DESC LIMIT ?)sql";

using QueueNames = absl::flat_hash_map<int64_t, std::string>;

absl::StatusOr<QueueNames> ReadQueueNames(sqlite::Connection& connection) {
  ASSIGN_OR_RETURN(std::vector<QueueRow> queues, ListQueues(connection));
  QueueNames names;
  for (QueueRow& queue : queues) {
    names.emplace(queue.id, std::move(queue.name));
  }
  return names;
}

// The job as a list has it: without payload and result, with the newest
// failure.
absl::StatusOr<JobView> ReadListed(sqlite::Connection& connection, int64_t id,
                                   const QueueNames& names) {
  ASSIGN_OR_RETURN(std::optional<JobRow> row, FindJob(connection, id));
  if (!row.has_value()) return absl::InternalError("a job is missing");
  JobView job = {.row = *std::move(row)};
  const auto name = names.find(job.row.queue);
  if (name != names.end()) job.queue = name->second;
  ASSIGN_OR_RETURN(job.spec, ReadSpecLimits(connection, id));
  ASSIGN_OR_RETURN(job.failures, ListFailures(connection, id, 1));
  return job;
}

// Finds the jobs of a page, and where to go on; 0 at the end.
class PageFinder {
 public:
  PageFinder(sqlite::Connection& connection, const JobList& list)
      : connection_(connection), list_(list) {}

  absl::Status Find(std::vector<int64_t>* ids, int64_t* next) {
    *next = 0;
    int64_t queue = 0;
    if (!list_.queue.empty()) {
      ASSIGN_OR_RETURN(const std::optional<QueueRow> found,
                       FindQueue(connection_, list_.queue));
      if (!found.has_value() || !HasAny(*found)) return absl::OkStatus();
      queue = found->id;
    }
    ASSIGN_OR_RETURN(sqlite::Statement select, Select(queue));
    int64_t last = 0;
    for (int rows = 0; rows < list_.max_rows; ++rows) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) return absl::OkStatus();
      last = select.Int(0);
      if (queue != 0 && select.Int(1) != queue) continue;
      if (!IsWanted(static_cast<JobState>(select.Int(2)))) continue;
      ids->push_back(last);
      if (ids->size() == static_cast<size_t>(list_.page_size)) break;
    }
    *next = last;
    return absl::OkStatus();
  }

 private:
  bool IsWanted(JobState state) const {
    return list_.states.empty() ||
           std::find(list_.states.begin(), list_.states.end(), state) !=
               list_.states.end();
  }
  bool HasAny(const QueueRow& queue) const {
    return std::any_of(kJobStates.begin(), kJobStates.end(),
                       [&](JobState state) {
                         return IsWanted(state) && queue.jobs[state] > 0;
                       });
  }
  bool IsOnly(JobState state) const {
    return list_.states.size() == 1 && list_.states[0] == state;
  }

  // The shortest way to the rows.
  absl::StatusOr<sqlite::Statement> Select(int64_t queue) {
    const bool are_dead = IsOnly(JobState::kDead) && queue != 0;
    ASSIGN_OR_RETURN(
        sqlite::Statement select,
        connection_.Cached(are_dead                     ? kListDead
                           : IsOnly(JobState::kRunning) ? kListRunning
                                                        : kScan));
    int parameter = 0;
    if (are_dead) select.BindInt(++parameter, queue);
    select.BindInt(++parameter, list_.before);
    // One more than is looked at, which says whether that was all.
    select.BindInt(++parameter, int64_t{list_.max_rows} + 1);
    return select;
  }

  sqlite::Connection& connection_;
  const JobList& list_;
};

absl::Status Unknown(absl::string_view database, int64_t id) {
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_JOB_UNKNOWN,
      absl::StrCat("there is no job ", id,
                   ", or it has finished and is not kept any more"),
      {{"database", database}, {"job", absl::StrCat(id)}});
}

// Adds a minute to the sum of some.
void AddTo(JobMinute& sum, const JobMinute& minute) {
  sum.enqueued += minute.enqueued;
  sum.leased += minute.leased;
  sum.succeeded += minute.succeeded;
  sum.failed += minute.failed;
  sum.died += minute.died;
  sum.wait_us += minute.wait_us;
  sum.run_us += minute.run_us;
}

void EncodeRates(const JobMinute& minute, v1::QueueRates* out) {
  *out->mutable_start_time() =
      TimeUtil::MicrosecondsToTimestamp(minute.minute * kMinuteUs);
  out->set_enqueued(minute.enqueued);
  out->set_leased(minute.leased);
  out->set_succeeded(minute.succeeded);
  out->set_failed(minute.failed);
  out->set_died(minute.died);
  if (minute.leased > 0) {
    *out->mutable_mean_wait() =
        TimeUtil::MicrosecondsToDuration(minute.wait_us / minute.leased);
  }
  const int64_t ended = minute.succeeded + minute.failed;
  if (ended > 0) {
    *out->mutable_mean_run() =
        TimeUtil::MicrosecondsToDuration(minute.run_us / ended);
  }
}

void EncodeCounts(const QueueRow& queue, v1::QueueStats* out) {
  out->set_queue(queue.name);
  out->set_paused(queue.paused);
  out->set_ready(queue.jobs[JobState::kReady]);
  out->set_scheduled(queue.jobs[JobState::kScheduled]);
  out->set_blocked(queue.jobs[JobState::kBlocked]);
  out->set_running(queue.jobs[JobState::kRunning]);
  out->set_succeeded(queue.jobs[JobState::kSucceeded]);
  out->set_dead(queue.jobs[JobState::kDead]);
  out->set_cancelled(queue.jobs[JobState::kCancelled]);
}

absl::Status EncodeOldest(sqlite::Connection& connection, int64_t queue,
                          int64_t now_us, v1::QueueStats* out) {
  ASSIGN_OR_RETURN(const std::optional<int64_t> oldest,
                   OldestReady(connection, queue));
  if (!oldest.has_value()) return absl::OkStatus();
  *out->mutable_oldest_ready() =
      TimeUtil::MicrosecondsToDuration(std::max<int64_t>(0, now_us - *oldest));
  return absl::OkStatus();
}

// Adds the minutes from `from` on, and their sum, to the queues of these
// numbers.
absl::Status EncodeMinutes(
    sqlite::Connection& connection, int64_t from,
    const absl::flat_hash_map<int64_t, v1::QueueStats*>& queues) {
  absl::flat_hash_map<int64_t, JobMinute> sums;
  int64_t count = 0;
  RETURN_IF_ERROR(VisitMinutes(connection, from, [&](const JobMinute& minute) {
    const auto queue = queues.find(minute.queue);
    if (queue == queues.end()) return;
    AddTo(sums[minute.queue], minute);
    if (++count > kMaxMinutesTold) return;
    EncodeRates(minute, queue->second->add_minutes());
  }));
  for (const auto& [id, stats] : queues) {
    if (count > kMaxMinutesTold) stats->clear_minutes();
    JobMinute& sum = sums[id];
    sum.minute = from;
    EncodeRates(sum, stats->mutable_window());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status GetJob(sqlite::Connection& connection, absl::string_view database,
                    int64_t id, v1::Job* job) {
  ASSIGN_OR_RETURN(std::optional<JobRow> row, FindJob(connection, id));
  if (!row.has_value()) return Unknown(database, id);
  JobView view = {.row = *std::move(row)};
  ASSIGN_OR_RETURN(const QueueNames names, ReadQueueNames(connection));
  view.queue = names.at(view.row.queue);
  ASSIGN_OR_RETURN(view.spec, ReadSpec(connection, id));
  ASSIGN_OR_RETURN(view.failures, ListFailures(connection, id, kFailuresTold));
  ASSIGN_OR_RETURN(view.result, FindResult(connection, id));
  return EncodeJob(view, job);
}

absl::Status ListJobs(sqlite::Connection& connection, const JobList& list,
                      v1::JobServiceListResponse* response) {
  std::vector<int64_t> ids;
  int64_t next = 0;
  RETURN_IF_ERROR(PageFinder(connection, list).Find(&ids, &next));
  ASSIGN_OR_RETURN(const QueueNames names, ReadQueueNames(connection));
  int64_t bytes = 0;
  for (const int64_t id : ids) {
    ASSIGN_OR_RETURN(const JobView job, ReadListed(connection, id, names));
    RETURN_IF_ERROR(EncodeJob(job, response->add_jobs()));
    bytes += MessageBytes(job);
    if (bytes < kPageBytes) continue;
    if (id != ids.back()) next = id;
    break;
  }
  if (next != 0) {
    response->set_next_page_token(
        EncodePageToken(kJobsList, absl::StrCat(next)));
  }
  return absl::OkStatus();
}

absl::Status ReadJobStats(sqlite::Connection& connection,
                          const std::vector<std::string>& queues,
                          absl::Duration window, int64_t now_us,
                          v1::JobServiceStatsResponse* response) {
  ASSIGN_OR_RETURN(const std::vector<QueueRow> all, ListQueues(connection));
  absl::flat_hash_map<int64_t, v1::QueueStats*> wanted;
  for (const QueueRow& queue : all) {
    if (!queues.empty() &&
        std::find(queues.begin(), queues.end(), queue.name) == queues.end()) {
      continue;
    }
    v1::QueueStats& stats = *response->add_queues();
    EncodeCounts(queue, &stats);
    RETURN_IF_ERROR(EncodeOldest(connection, queue.id, now_us, &stats));
    wanted.emplace(queue.id, &stats);
  }
  // The present minute is the last of them.
  const int64_t from = now_us / kMinuteUs - window / absl::Minutes(1) + 1;
  return EncodeMinutes(connection, from, wanted);
}

}  // namespace engram::storage
