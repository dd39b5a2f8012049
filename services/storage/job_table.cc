#include "services/storage/job_table.h"

#include <initializer_list>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// States are written as numbers: SQLite uses a partial index only for a query
// that repeats its condition.

constexpr absl::string_view kFindQueue = R"sql(
SELECT queue, name, paused,
  ready, scheduled, blocked, running, succeeded, dead, cancelled
FROM _queues WHERE name = ?)sql";
constexpr absl::string_view kInsertQueue =
    "INSERT INTO _queues (name) VALUES (?)";
constexpr absl::string_view kListQueues = R"sql(
SELECT queue, name, paused,
  ready, scheduled, blocked, running, succeeded, dead, cancelled
FROM _queues ORDER BY name)sql";
constexpr absl::string_view kListReadyQueues = R"sql(
SELECT queue, name, paused,
  ready, scheduled, blocked, running, succeeded, dead, cancelled
FROM _queues INDEXED BY _queues_ready
WHERE ready > 0 AND paused = 0 ORDER BY queue)sql";
constexpr absl::string_view kPauseQueue =
    "UPDATE _queues SET paused = ? WHERE queue = ?";
constexpr absl::string_view kCountJobs = R"sql(
UPDATE _queues SET
  ready = ready + ?, scheduled = scheduled + ?, blocked = blocked + ?,
  running = running + ?, succeeded = succeeded + ?, dead = dead + ?,
  cancelled = cancelled + ?
WHERE queue = ?)sql";
constexpr absl::string_view kDeleteIdleMinutes = R"sql(
DELETE FROM _job_minutes WHERE queue IN (
  SELECT queue FROM _queues
  WHERE ready + scheduled + blocked + running + succeeded + dead + cancelled
    + paused = 0))sql";
constexpr absl::string_view kDeleteIdleQueues = R"sql(
DELETE FROM _queues
WHERE ready + scheduled + blocked + running + succeeded + dead + cancelled
  + paused = 0)sql";

constexpr absl::string_view kNextJob =
    "SELECT value FROM _meta WHERE name = 'next_job'";
constexpr absl::string_view kStoreNextJob =
    "UPDATE _meta SET value = ? WHERE name = 'next_job'";

constexpr absl::string_view kInsertJob = R"sql(
INSERT INTO _jobs (
  job, queue, state, priority, ready_us, due_us, attempt, failures,
  max_attempts, blockers, dependants, keep_us, progress, started_us, ended_us,
  holder, unique_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kInsertSpec = R"sql(
INSERT INTO _job_specs (
  job, created_us, delay_us, backoff_us, max_backoff_us, keep_dead_us,
  after_jobs, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kFindJob = R"sql(
SELECT job, queue, state, priority, ready_us, due_us, attempt, failures,
  max_attempts, blockers, dependants, keep_us, progress, started_us, ended_us,
  holder, unique_key
FROM _jobs WHERE job = ?)sql";
constexpr absl::string_view kUpdateJob = R"sql(
UPDATE _jobs SET
  state = ?, ready_us = ?, due_us = ?, attempt = ?, failures = ?, blockers = ?,
  dependants = ?, progress = ?, started_us = ?, ended_us = ?, holder = ?
WHERE job = ?)sql";
constexpr absl::string_view kDeleteJob = "DELETE FROM _jobs WHERE job = ?";
constexpr absl::string_view kDeleteSpec =
    "DELETE FROM _job_specs WHERE job = ?";
constexpr absl::string_view kReadSpec = R"sql(
SELECT created_us, delay_us, backoff_us, max_backoff_us, keep_dead_us,
  after_jobs, payload
FROM _job_specs WHERE job = ?)sql";
constexpr absl::string_view kReadSpecLimits = R"sql(
SELECT created_us, delay_us, backoff_us, max_backoff_us, keep_dead_us,
  after_jobs
FROM _job_specs WHERE job = ?)sql";
constexpr absl::string_view kFindByKey = R"sql(
SELECT job FROM _jobs INDEXED BY _jobs_unique
WHERE queue = ? AND unique_key = ? AND unique_key IS NOT NULL AND state <= 4)sql";

constexpr absl::string_view kListReady = R"sql(
SELECT job, priority, ready_us FROM _jobs INDEXED BY _jobs_ready
WHERE queue = ? AND state = 1
ORDER BY priority DESC, ready_us, job LIMIT ? OFFSET ?)sql";
// The first of each priority: there are few priorities, but may be many jobs.
constexpr absl::string_view kFirstBelow = R"sql(
SELECT priority, ready_us FROM _jobs INDEXED BY _jobs_ready
WHERE queue = ? AND state = 1 AND priority < ?
ORDER BY priority DESC, ready_us LIMIT 1)sql";
constexpr absl::string_view kListDue = R"sql(
SELECT job FROM _jobs INDEXED BY _jobs_due
WHERE state = ? AND due_us IS NOT NULL AND due_us <= ?
ORDER BY due_us LIMIT ?)sql";
constexpr absl::string_view kNextDue = R"sql(
SELECT due_us FROM _jobs INDEXED BY _jobs_due
WHERE state = ? AND due_us IS NOT NULL ORDER BY due_us LIMIT 1)sql";
constexpr absl::string_view kListDead = R"sql(
SELECT job FROM _jobs INDEXED BY _jobs_dead
WHERE queue = ? AND state = 6 AND job < ? ORDER BY job DESC LIMIT ?)sql";

constexpr absl::string_view kInsertFailure = R"sql(
INSERT OR REPLACE INTO _job_failures (job, attempt, failed_us, message)
VALUES (?, ?, ?, ?))sql";
// An attempt fails once at most, so ten attempts hold ten failures at most.
constexpr absl::string_view kDeleteOldFailures = R"sql(
DELETE FROM _job_failures WHERE job = ? AND attempt <= (
  SELECT attempt FROM _job_failures WHERE job = ?
  ORDER BY attempt DESC LIMIT 1 OFFSET 10))sql";
constexpr absl::string_view kListFailures = R"sql(
SELECT attempt, failed_us, message FROM _job_failures
WHERE job = ? ORDER BY attempt DESC LIMIT ?)sql";
constexpr absl::string_view kFindFailure =
    "SELECT message FROM _job_failures WHERE job = ? AND attempt = ?";
constexpr absl::string_view kDeleteFailures =
    "DELETE FROM _job_failures WHERE job = ?";

constexpr absl::string_view kInsertResult =
    "INSERT OR REPLACE INTO _job_results (job, result) VALUES (?, ?)";
constexpr absl::string_view kFindResult =
    "SELECT result FROM _job_results WHERE job = ?";
constexpr absl::string_view kDeleteResult =
    "DELETE FROM _job_results WHERE job = ?";

constexpr absl::string_view kInsertEdge =
    "INSERT INTO _job_edges (job, dependant) VALUES (?, ?)";
constexpr absl::string_view kListDependants =
    "SELECT dependant FROM _job_edges WHERE job = ? ORDER BY dependant";
constexpr absl::string_view kListBlockers =
    "SELECT job FROM _job_edges WHERE dependant = ? ORDER BY job";
constexpr absl::string_view kDeleteEdgesFrom =
    "DELETE FROM _job_edges WHERE job = ?";
constexpr absl::string_view kDeleteEdgesTo =
    "DELETE FROM _job_edges WHERE dependant = ?";

// Runs a statement whose parameters are numbers.
absl::Status RunWith(sqlite::Connection& connection, absl::string_view sql,
                     std::initializer_list<int64_t> numbers) {
  ASSIGN_OR_RETURN(sqlite::Statement statement, connection.Cached(sql));
  int parameter = 0;
  for (const int64_t number : numbers) statement.BindInt(++parameter, number);
  return statement.Run();
}

// The first column of every row.
absl::StatusOr<std::vector<int64_t>> ListWith(
    sqlite::Connection& connection, absl::string_view sql,
    std::initializer_list<int64_t> numbers) {
  ASSIGN_OR_RETURN(sqlite::Statement statement, connection.Cached(sql));
  int parameter = 0;
  for (const int64_t number : numbers) statement.BindInt(++parameter, number);
  std::vector<int64_t> found;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return found;
    found.push_back(statement.Int(0));
  }
}

// Binds NULL in place of a value that says that there is none.
void BindUnless(int64_t none, sqlite::Statement& statement, int parameter,
                int64_t value) {
  if (value == none) {
    statement.BindNull(parameter);
  } else {
    statement.BindInt(parameter, value);
  }
}

void BindUnlessEmpty(sqlite::Statement& statement, int parameter,
                     absl::string_view text) {
  if (text.empty()) {
    statement.BindNull(parameter);
  } else {
    statement.BindText(parameter, text);
  }
}

QueueRow ReadQueue(const sqlite::Statement& row) {
  QueueRow queue;
  queue.id = row.Int(0);
  queue.name = std::string(row.Text(1));
  queue.paused = row.Int(2) != 0;
  int column = 2;
  for (const JobState state : kJobStates) queue.jobs[state] = row.Int(++column);
  return queue;
}

absl::StatusOr<std::vector<QueueRow>> ListQueuesBy(
    sqlite::Connection& connection, absl::string_view sql) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(sql));
  std::vector<QueueRow> queues;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return queues;
    queues.push_back(ReadQueue(select));
  }
}

std::vector<int64_t> ParseNumbers(absl::string_view text) {
  std::vector<int64_t> numbers;
  for (const absl::string_view part :
       absl::StrSplit(text, ',', absl::SkipEmpty())) {
    int64_t number = 0;
    if (absl::SimpleAtoi(part, &number)) numbers.push_back(number);
  }
  return numbers;
}

absl::StatusOr<JobSpecRow> ReadSpecBy(sqlite::Connection& connection,
                                      absl::string_view sql, int64_t id) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(sql));
  select.BindInt(1, id);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return absl::InternalError(absl::StrCat("job ", id, ": no spec"));
  JobSpecRow spec = {.created_us = select.Int(0),
                     .delay_us = select.Int(1),
                     .backoff_us = select.Int(2),
                     .max_backoff_us = select.Int(3),
                     .keep_dead_us = select.Int(4),
                     .after = ParseNumbers(select.Text(5)),
                     .payload = std::nullopt};
  if (select.column_count() > 6 && !select.IsNull(6)) {
    spec.payload = std::string(select.Blob(6));
  }
  return spec;
}

}  // namespace

absl::StatusOr<std::optional<QueueRow>> FindQueue(
    sqlite::Connection& connection, absl::string_view name) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kFindQueue));
  select.BindText(1, name);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return ReadQueue(select);
}

absl::StatusOr<QueueRow> InsertQueue(sqlite::Connection& connection,
                                     absl::string_view name) {
  ASSIGN_OR_RETURN(sqlite::Statement insert, connection.Cached(kInsertQueue));
  insert.BindText(1, name);
  RETURN_IF_ERROR(insert.Run());
  QueueRow queue;
  queue.id = connection.last_insert_row();
  queue.name = std::string(name);
  return queue;
}

absl::StatusOr<std::vector<QueueRow>> ListQueues(
    sqlite::Connection& connection) {
  return ListQueuesBy(connection, kListQueues);
}

absl::StatusOr<std::vector<QueueRow>> ListReadyQueues(
    sqlite::Connection& connection) {
  return ListQueuesBy(connection, kListReadyQueues);
}

absl::Status PauseQueue(sqlite::Connection& connection, int64_t queue,
                        bool paused) {
  return RunWith(connection, kPauseQueue, {paused ? 1 : 0, queue});
}

absl::Status CountJobs(sqlite::Connection& connection, int64_t queue,
                       const JobCounts& growth) {
  ASSIGN_OR_RETURN(sqlite::Statement update, connection.Cached(kCountJobs));
  int parameter = 0;
  for (const JobState state : kJobStates) {
    update.BindInt(++parameter, growth[state]);
  }
  update.BindInt(++parameter, queue);
  return update.Run();
}

absl::StatusOr<int64_t> CountQueues(sqlite::Connection& connection) {
  return connection.QueryInt("SELECT count(*) FROM _queues");
}

absl::Status DeleteIdleQueues(sqlite::Connection& connection) {
  RETURN_IF_ERROR(RunWith(connection, kDeleteIdleMinutes, {}));
  return RunWith(connection, kDeleteIdleQueues, {});
}

absl::StatusOr<int64_t> NextJob(sqlite::Connection& connection) {
  return connection.QueryInt(kNextJob);
}

absl::Status StoreNextJob(sqlite::Connection& connection, int64_t next) {
  return RunWith(connection, kStoreNextJob, {next});
}

absl::Status InsertJob(sqlite::Connection& connection, const JobRow& job,
                       const JobSpecRow& spec) {
  {
    ASSIGN_OR_RETURN(sqlite::Statement insert, connection.Cached(kInsertJob));
    insert.BindInt(1, job.id);
    insert.BindInt(2, job.queue);
    insert.BindInt(3, static_cast<int64_t>(job.state));
    insert.BindInt(4, job.priority);
    insert.BindInt(5, job.ready_us);
    BindUnless(kNeverDue, insert, 6, job.due_us);
    insert.BindInt(7, job.attempt);
    insert.BindInt(8, job.failures);
    insert.BindInt(9, job.max_attempts);
    insert.BindInt(10, job.blockers);
    insert.BindInt(11, job.dependants);
    insert.BindInt(12, job.keep_us);
    insert.BindDouble(13, job.progress);
    BindUnless(0, insert, 14, job.started_us);
    BindUnless(0, insert, 15, job.ended_us);
    BindUnlessEmpty(insert, 16, job.holder);
    BindUnlessEmpty(insert, 17, job.unique_key);
    RETURN_IF_ERROR(insert.Run());
  }
  const std::string after = absl::StrJoin(spec.after, ",");
  ASSIGN_OR_RETURN(sqlite::Statement insert, connection.Cached(kInsertSpec));
  insert.BindInt(1, job.id);
  insert.BindInt(2, spec.created_us);
  insert.BindInt(3, spec.delay_us);
  insert.BindInt(4, spec.backoff_us);
  insert.BindInt(5, spec.max_backoff_us);
  insert.BindInt(6, spec.keep_dead_us);
  insert.BindText(7, after);
  if (spec.payload.has_value()) {
    insert.BindBlob(8, *spec.payload);
  } else {
    insert.BindNull(8);
  }
  return insert.Run();
}

absl::StatusOr<std::optional<JobRow>> FindJob(sqlite::Connection& connection,
                                              int64_t id) {
  ASSIGN_OR_RETURN(sqlite::Statement row, connection.Cached(kFindJob));
  row.BindInt(1, id);
  ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  return JobRow{.id = row.Int(0),
                .queue = row.Int(1),
                .state = static_cast<JobState>(row.Int(2)),
                .priority = row.Int(3),
                .ready_us = row.Int(4),
                .due_us = row.IsNull(5) ? kNeverDue : row.Int(5),
                .attempt = row.Int(6),
                .failures = row.Int(7),
                .max_attempts = row.Int(8),
                .blockers = row.Int(9),
                .dependants = row.Int(10),
                .keep_us = row.Int(11),
                .progress = row.Double(12),
                .started_us = row.Int(13),
                .ended_us = row.Int(14),
                .holder = std::string(row.Text(15)),
                .unique_key = std::string(row.Text(16))};
}

absl::Status UpdateJob(sqlite::Connection& connection, const JobRow& job) {
  ASSIGN_OR_RETURN(sqlite::Statement update, connection.Cached(kUpdateJob));
  update.BindInt(1, static_cast<int64_t>(job.state));
  update.BindInt(2, job.ready_us);
  BindUnless(kNeverDue, update, 3, job.due_us);
  update.BindInt(4, job.attempt);
  update.BindInt(5, job.failures);
  update.BindInt(6, job.blockers);
  update.BindInt(7, job.dependants);
  update.BindDouble(8, job.progress);
  BindUnless(0, update, 9, job.started_us);
  BindUnless(0, update, 10, job.ended_us);
  BindUnlessEmpty(update, 11, job.holder);
  update.BindInt(12, job.id);
  return update.Run();
}

absl::Status DeleteJob(sqlite::Connection& connection, int64_t id) {
  RETURN_IF_ERROR(RunWith(connection, kDeleteJob, {id}));
  RETURN_IF_ERROR(RunWith(connection, kDeleteSpec, {id}));
  RETURN_IF_ERROR(RunWith(connection, kDeleteResult, {id}));
  return RunWith(connection, kDeleteFailures, {id});
}

absl::StatusOr<JobSpecRow> ReadSpec(sqlite::Connection& connection,
                                    int64_t id) {
  return ReadSpecBy(connection, kReadSpec, id);
}

absl::StatusOr<JobSpecRow> ReadSpecLimits(sqlite::Connection& connection,
                                          int64_t id) {
  return ReadSpecBy(connection, kReadSpecLimits, id);
}

absl::StatusOr<std::optional<int64_t>> FindByKey(sqlite::Connection& connection,
                                                 int64_t queue,
                                                 absl::string_view key) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kFindByKey));
  select.BindInt(1, queue);
  select.BindText(2, key);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return select.Int(0);
}

absl::StatusOr<std::vector<ReadyJob>> ListReady(sqlite::Connection& connection,
                                                int64_t queue, int limit,
                                                int offset) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kListReady));
  select.BindInt(1, queue);
  select.BindInt(2, limit);
  select.BindInt(3, offset);
  std::vector<ReadyJob> jobs;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return jobs;
    jobs.push_back({.id = select.Int(0),
                    .priority = select.Int(1),
                    .ready_us = select.Int(2)});
  }
}

absl::StatusOr<std::optional<int64_t>> OldestReady(
    sqlite::Connection& connection, int64_t queue) {
  std::optional<int64_t> oldest;
  int64_t below = std::numeric_limits<int64_t>::max();
  while (true) {
    ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kFirstBelow));
    select.BindInt(1, queue);
    select.BindInt(2, below);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return oldest;
    below = select.Int(0);
    oldest = std::min(oldest.value_or(select.Int(1)), select.Int(1));
  }
}

absl::StatusOr<std::vector<int64_t>> ListDue(sqlite::Connection& connection,
                                             JobState state, int64_t now_us,
                                             int limit) {
  return ListWith(connection, kListDue,
                  {static_cast<int64_t>(state), now_us, limit});
}

absl::StatusOr<int64_t> NextDue(sqlite::Connection& connection) {
  int64_t next = kNeverDue;
  for (const JobState state : kJobStates) {
    ASSIGN_OR_RETURN(
        const std::vector<int64_t> first,
        ListWith(connection, kNextDue, {static_cast<int64_t>(state)}));
    if (!first.empty()) next = std::min(next, first[0]);
  }
  return next;
}

absl::StatusOr<std::vector<int64_t>> ListDead(sqlite::Connection& connection,
                                              int64_t queue, int64_t before,
                                              int limit) {
  return ListWith(connection, kListDead, {queue, before, limit});
}

absl::Status InsertFailure(sqlite::Connection& connection, int64_t job,
                           const JobFailureRow& failure) {
  {
    ASSIGN_OR_RETURN(sqlite::Statement insert,
                     connection.Cached(kInsertFailure));
    insert.BindInt(1, job);
    insert.BindInt(2, failure.attempt);
    insert.BindInt(3, failure.failed_us);
    insert.BindText(4, failure.message);
    RETURN_IF_ERROR(insert.Run());
  }
  return RunWith(connection, kDeleteOldFailures, {job, job});
}

absl::StatusOr<std::vector<JobFailureRow>> ListFailures(
    sqlite::Connection& connection, int64_t job, int limit) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kListFailures));
  select.BindInt(1, job);
  select.BindInt(2, limit);
  std::vector<JobFailureRow> failures;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return failures;
    failures.push_back({.attempt = select.Int(0),
                        .failed_us = select.Int(1),
                        .message = std::string(select.Text(2))});
  }
}

absl::StatusOr<std::optional<std::string>> FindFailure(
    sqlite::Connection& connection, int64_t job, int64_t attempt) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kFindFailure));
  select.BindInt(1, job);
  select.BindInt(2, attempt);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return std::string(select.Text(0));
}

absl::Status InsertResult(sqlite::Connection& connection, int64_t job,
                          absl::string_view result) {
  ASSIGN_OR_RETURN(sqlite::Statement insert, connection.Cached(kInsertResult));
  insert.BindInt(1, job);
  insert.BindBlob(2, result);
  return insert.Run();
}

absl::StatusOr<std::optional<std::string>> FindResult(
    sqlite::Connection& connection, int64_t job) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kFindResult));
  select.BindInt(1, job);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return std::string(select.Blob(0));
}

absl::Status DeleteResult(sqlite::Connection& connection, int64_t job) {
  return RunWith(connection, kDeleteResult, {job});
}

absl::Status InsertEdge(sqlite::Connection& connection, int64_t job,
                        int64_t dependant) {
  return RunWith(connection, kInsertEdge, {job, dependant});
}

absl::StatusOr<std::vector<int64_t>> ListDependants(
    sqlite::Connection& connection, int64_t job) {
  return ListWith(connection, kListDependants, {job});
}

absl::StatusOr<std::vector<int64_t>> ListBlockers(
    sqlite::Connection& connection, int64_t dependant) {
  return ListWith(connection, kListBlockers, {dependant});
}

absl::Status DeleteEdgesFrom(sqlite::Connection& connection, int64_t job) {
  return RunWith(connection, kDeleteEdgesFrom, {job});
}

absl::Status DeleteEdgesTo(sqlite::Connection& connection, int64_t dependant) {
  return RunWith(connection, kDeleteEdgesTo, {dependant});
}

}  // namespace engram::storage
