#include "services/storage/testing/job_fixture.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/status_macros.h"
#include "services/storage/job_queue.h"
#include "services/storage/job_reader.h"
#include "services/storage/job_request.h"
#include "services/storage/job_table.h"
#include "services/storage/job_view.h"

namespace engram::storage::testing {
namespace {

template <typename Status>
void AbortUnlessOk(const Status& status, const std::string& about) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", about.c_str(), status.ToString().c_str());
  std::abort();
}

template <typename Message>
Message Parse(const std::string& json) {
  Message message;
  AbortUnlessOk(google::protobuf::util::JsonStringToMessage(json, &message),
                json);
  return message;
}

// One field more, if there is any.
std::string AndAlso(const std::string& fields) {
  return fields.empty() ? "" : absl::StrCat(", ", fields);
}

// The JSON of one job's lease.
std::string LeaseJson(int64_t id, int attempt) {
  return absl::StrCat(R"("lease": {"id": )", id, R"(, "attempt": )", attempt,
                      "}");
}

}  // namespace

absl::StatusOr<v1::EnqueueResponse> TestJobs::Enqueue(
    const std::string& specs, const std::string& options) {
  ASSIGN_OR_RETURN(JobBatch batch,
                   DecodeEnqueue(Parse<v1::EnqueueRequest>(absl::StrCat(
                       "{\"jobs\": ", specs, AndAlso(options), "}"))));
  v1::EnqueueResponse response;
  RETURN_IF_ERROR(database_.Run([&](WriteTransaction& transaction) {
    return EnqueueJobs(transaction, batch,
                       database_.database().jobs().unfinished(), limits_,
                       &response);
  }));
  return response;
}

int64_t TestJobs::Add(const std::string& spec) {
  const auto response = Enqueue(absl::StrCat("[", spec, "]"));
  AbortUnlessOk(response.status(), spec);
  return response->jobs(0).id();
}

absl::StatusOr<std::vector<v1::Job>> TestJobs::Lease(
    const std::string& fields, const std::string& holder) {
  ASSIGN_OR_RETURN(
      const DecodedLease decoded,
      DecodeLease(Parse<v1::LeaseRequest>(absl::StrCat(
          "{\"holder\": \"", holder, "\"", AndAlso(fields), "}"))));
  std::vector<JobView> leased;
  RETURN_IF_ERROR(database_.Run([&](WriteTransaction& transaction) {
    return LeaseJobs(transaction, decoded.wanted, &leased);
  }));
  std::vector<v1::Job> jobs(leased.size());
  for (size_t i = 0; i < leased.size(); ++i) {
    RETURN_IF_ERROR(EncodeJob(leased[i], &jobs[i]));
  }
  return jobs;
}

std::vector<int64_t> TestJobs::LeaseIds(int count) {
  const auto jobs = Lease(absl::StrCat("\"maxJobs\": ", count));
  AbortUnlessOk(jobs.status(), "lease");
  std::vector<int64_t> ids;
  for (const v1::Job& job : *jobs) ids.push_back(job.id());
  return ids;
}

v1::LeaseResult TestJobs::Heartbeat(int64_t id, int attempt,
                                    const std::string& fields) {
  const auto request = Parse<v1::HeartbeatRequest>(absl::StrCat(
      "{\"jobs\": [{", LeaseJson(id, attempt), "}]", AndAlso(fields), "}"));
  const auto lease_us = DecodeHeartbeat(request);
  AbortUnlessOk(lease_us.status(), "heartbeat");
  v1::HeartbeatResponse response;
  AbortUnlessOk(database_.Run([&](WriteTransaction& transaction) {
    return HeartbeatJobs(transaction, request, *lease_us, &response);
  }),
                "heartbeat");
  return response.results(0);
}

v1::LeaseResult TestJobs::Complete(int64_t id, int attempt,
                                   const std::string& result) {
  const std::string field =
      result.empty() ? "" : absl::StrCat("\"result\": ", result);
  const auto jobs = DecodeComplete(Parse<v1::CompleteRequest>(absl::StrCat(
      "{\"jobs\": [{", LeaseJson(id, attempt), AndAlso(field), "}]}")));
  AbortUnlessOk(jobs.status(), "complete");
  v1::CompleteResponse response;
  AbortUnlessOk(database_.Run([&](WriteTransaction& transaction) {
    return CompleteJobs(transaction, *jobs, &response);
  }),
                "complete");
  return response.results(0);
}

v1::LeaseResult TestJobs::Fail(int64_t id, int attempt,
                               const std::string& fields) {
  const auto jobs = DecodeFail(Parse<v1::FailRequest>(absl::StrCat(
      "{\"jobs\": [{", LeaseJson(id, attempt), AndAlso(fields), "}]}")));
  AbortUnlessOk(jobs.status(), "fail");
  v1::FailResponse response;
  AbortUnlessOk(database_.Run([&](WriteTransaction& transaction) {
    return FailJobs(transaction, *jobs, &response);
  }),
                "fail");
  return response.results(0);
}

absl::StatusOr<int64_t> TestJobs::Cancel(const std::vector<int64_t>& ids) {
  int64_t cancelled = 0;
  RETURN_IF_ERROR(
      database_.Run([&](WriteTransaction& transaction) -> absl::Status {
        ASSIGN_OR_RETURN(cancelled, CancelJobs(transaction, ids, limits_));
        return absl::OkStatus();
      }));
  return cancelled;
}

absl::StatusOr<int64_t> TestJobs::Retry(const std::vector<int64_t>& ids) {
  int64_t retried = 0;
  RETURN_IF_ERROR(
      database_.Run([&](WriteTransaction& transaction) -> absl::Status {
        ASSIGN_OR_RETURN(retried, RetryJobs(transaction, ids));
        return absl::OkStatus();
      }));
  return retried;
}

int64_t TestJobs::RetryQueue(const std::string& queue) {
  QueueRetry retry;
  while (!retry.has_ended) {
    AbortUnlessOk(
        database_.Run([&](WriteTransaction& transaction) -> absl::Status {
          ASSIGN_OR_RETURN(retry, RetryDeadLetters(transaction, queue, retry));
          return absl::OkStatus();
        }),
        "retry");
  }
  return retry.retried;
}

absl::Status TestJobs::Pause(const std::string& queue, bool paused) {
  return database_.Run([&](WriteTransaction& transaction) {
    return PauseJobs(transaction, queue, paused, limits_);
  });
}

absl::StatusOr<v1::Job> TestJobs::Get(int64_t id) {
  ASSIGN_OR_RETURN(ReadPool::Lease reader,
                   database_.database().AcquireReader());
  v1::Job job;
  RETURN_IF_ERROR(GetJob(*reader, "default", id, &job));
  return job;
}

std::string TestJobs::StateOf(int64_t id) {
  const auto job = Get(id);
  if (absl::IsNotFound(job.status())) return "(none)";
  AbortUnlessOk(job.status(), "get");
  return v1::Job::State_Name(job->state()).substr(sizeof("STATE_") - 1);
}

absl::StatusOr<v1::JobServiceListResponse> TestJobs::List(
    const std::string& fields, int max_rows) {
  ASSIGN_OR_RETURN(JobList list, DecodeList(Parse<v1::JobServiceListRequest>(
                                     absl::StrCat("{", fields, "}"))));
  list.max_rows = max_rows;
  ASSIGN_OR_RETURN(ReadPool::Lease reader,
                   database_.database().AcquireReader());
  v1::JobServiceListResponse response;
  RETURN_IF_ERROR(ListJobs(*reader, list, &response));
  return response;
}

absl::StatusOr<v1::JobServiceStatsResponse> TestJobs::Stats(
    const std::string& fields) {
  ASSIGN_OR_RETURN(const DecodedStats stats,
                   DecodeStats(Parse<v1::JobServiceStatsRequest>(
                       absl::StrCat("{", fields, "}"))));
  ASSIGN_OR_RETURN(ReadPool::Lease reader,
                   database_.database().AcquireReader());
  v1::JobServiceStatsResponse response;
  RETURN_IF_ERROR(ReadJobStats(*reader, stats.queues, stats.window,
                               database_.database().now_us(), &response));
  return response;
}

void TestJobs::Advance(absl::Duration duration) {
  database_.clock().Advance(duration);
  RunDue();
}

void TestJobs::RunDue() {
  Database& database = database_.database();
  while (database.jobs().due_us() <= database.now_us()) {
    database.RunDueJobs();
    // Ends after what was queued before it.
    AbortUnlessOk(
        database_.Run([](WriteTransaction&) { return absl::OkStatus(); }),
        "wait");
  }
}

absl::Status TestJobs::CheckBooks() {
  // Each is a query that counts what is wrong.
  static constexpr std::pair<const char*, const char*> kFaults[] = {
      {"counts of a queue differ from its jobs",
       "SELECT count(*) FROM _queues AS q WHERE "
       "(ready, scheduled, blocked, running, succeeded, dead, cancelled) != ("
       "SELECT count(*) FILTER (WHERE state = 1),"
       " count(*) FILTER (WHERE state = 2),"
       " count(*) FILTER (WHERE state = 3),"
       " count(*) FILTER (WHERE state = 4),"
       " count(*) FILTER (WHERE state = 5),"
       " count(*) FILTER (WHERE state = 6),"
       " count(*) FILTER (WHERE state = 7)"
       " FROM _jobs WHERE queue = q.queue)"},
      {"jobs without a queue",
       "SELECT count(*) FROM _jobs WHERE queue NOT IN (SELECT queue FROM "
       "_queues)"},
      {"specs and jobs differ",
       "SELECT (SELECT count(*) FROM _job_specs) != (SELECT count(*) FROM "
       "_jobs)"},
      {"results of jobs that did not succeed",
       "SELECT count(*) FROM _job_results LEFT JOIN _jobs USING (job) WHERE "
       "state IS NULL OR state != 5"},
      {"failures of no job",
       "SELECT count(*) FROM _job_failures WHERE job NOT IN (SELECT job FROM "
       "_jobs)"},
      {"blockers differ from the edges",
       "SELECT count(*) FROM _jobs AS j WHERE blockers != (SELECT count(*) "
       "FROM _job_edges WHERE dependant = j.job) OR (blockers > 0) != (state = "
       "3)"},
      {"dependants differ from the edges",
       "SELECT count(*) FROM _jobs AS j WHERE dependants != (SELECT count(*) "
       "FROM _job_edges AS e WHERE e.job = j.job)"},
      {"edges of jobs that are gone",
       "SELECT count(*) FROM _job_edges WHERE job NOT IN (SELECT job FROM "
       "_jobs) OR dependant NOT IN (SELECT job FROM _jobs)"},
      {"jobs that are due, or never, at odds with their state",
       "SELECT count(*) FROM _jobs WHERE (due_us IS NULL) != (state IN (1, "
       "3))"},
  };
  for (const auto& [fault, query] : kFaults) {
    const int64_t count = database_.QueryInt(query);
    if (count != 0) {
      return absl::InternalError(absl::StrCat(fault, ": ", count));
    }
  }
  const int64_t unfinished =
      database_.QueryInt("SELECT count(*) FROM _jobs WHERE state <= 4");
  if (unfinished != database_.database().jobs().unfinished()) {
    return absl::InternalError("the number in memory differs");
  }
  return absl::OkStatus();
}

}  // namespace engram::storage::testing
