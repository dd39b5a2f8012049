#include "services/storage/job_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/call_bounds.h"
#include "services/storage/job_lease_call.h"
#include "services/storage/job_queue.h"
#include "services/storage/job_reader.h"
#include "services/storage/job_request.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

// Requests up to this size are decoded in gRPC's own thread; larger ones would
// hold it for more than some 200 us.
constexpr int kMaxInlineJobs = 16;
constexpr size_t kMaxInlineBytes = 64 << 10;

// Calls `body`, which returns an error that ends the call or sees to its end
// itself: here if there is little to do, else on the pool.
template <typename Body>
grpc::ServerUnaryReactor* Begin(rpc::ThreadPool& pool,
                                grpc::CallbackServerContext* context, int jobs,
                                size_t bytes, Body body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto run = [reactor, body = std::move(body)]() mutable {
    const absl::Status status = body(reactor);
    if (!status.ok()) rpc::Finish(reactor, status);
  };
  if (jobs <= kMaxInlineJobs && bytes <= kMaxInlineBytes) {
    run();
    return reactor;
  }
  const absl::Status queued = pool.Submit(std::move(run));
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

// Queues `work`, one write of `jobs` jobs, which ends the call.
template <typename Work>
absl::Status Submit(Database* database, grpc::CallbackServerContext* context,
                    grpc::ServerUnaryReactor* reactor, size_t jobs,
                    size_t bytes, Work work) {
  database->Submit(
      {.run = [context, work = std::move(work)](
                  WriteTransaction& transaction) mutable -> absl::Status {
         if (context->IsCancelled()) {
           return absl::CancelledError("the client has gone");
         }
         return work(transaction);
       },
       .done = [reactor](absl::Status status) { rpc::Finish(reactor, status); },
       .rows = jobs,
       .bytes = bytes,
       .deadline = rpc::DeadlineOf(*context)});
  return absl::OkStatus();
}

// Runs `read` with a reader of a database, in a transaction and within the
// call's bounds.
template <typename Read>
grpc::ServerUnaryReactor* RunRead(rpc::ThreadPool& pool,
                                  grpc::CallbackServerContext* context,
                                  const DatabaseRegistry& registry,
                                  const std::string& name, Read read) {
  return rpc::RunUnary(
      pool, context,
      [context, &registry, &name, read = std::move(read)]() -> absl::Status {
        ASSIGN_OR_RETURN(Database * database, registry.Find(name));
        ASSIGN_OR_RETURN(ReadPool::Lease reader, database->AcquireReader());
        const CallBounds bounds = {
            .deadline = rpc::DeadlineOf(*context),
            .is_cancelled = [context] { return context->IsCancelled(); }};
        StatementGuard guard(*reader, bounds);
        return guard.Explain(read(*database, *reader));
      });
}

// Retries all of a queue's dead letters, one write after the other, and ends
// the call.
void RetryQueue(Database* database, absl::Time deadline, std::string queue,
                QueueRetry retry, v1::RetryResponse* response,
                grpc::ServerUnaryReactor* reactor) {
  const auto next = std::make_shared<QueueRetry>();
  database->Submit({.run = [=](WriteTransaction& transaction) -> absl::Status {
                      ASSIGN_OR_RETURN(
                          *next, RetryDeadLetters(transaction, queue, retry));
                      return absl::OkStatus();
                    },
                    .done =
                        [=](absl::Status status) {
                          if (status.ok() && !next->has_ended) {
                            return RetryQueue(database, deadline, queue, *next,
                                              response, reactor);
                          }
                          response->set_retried(next->retried);
                          rpc::Finish(reactor, status);
                        },
                    .rows = kMaxJobsInCall,
                    .deadline = deadline});
}

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rpc::Finish(reactor, status);
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* JobService::Enqueue(
    grpc::CallbackServerContext* context, const v1::EnqueueRequest* request,
    v1::EnqueueResponse* response) {
  const size_t bytes = request->ByteSizeLong();
  return Begin(*pool_, context, request->jobs_size(), bytes,
               [=, this](grpc::ServerUnaryReactor* reactor) -> absl::Status {
                 ASSIGN_OR_RETURN(Database * database,
                                  registry_->Find(request->database()));
                 ASSIGN_OR_RETURN(JobBatch batch, DecodeEnqueue(*request));
                 return Submit(
                     database, context, reactor, request->jobs_size(), bytes,
                     [database, batch = std::move(batch),
                      response](WriteTransaction& transaction) mutable {
                       return EnqueueJobs(transaction, batch,
                                          database->jobs().unfinished(),
                                          JobLimits(), response);
                     });
               });
}

grpc::ServerUnaryReactor* JobService::Lease(
    grpc::CallbackServerContext* context, const v1::LeaseRequest* request,
    v1::LeaseResponse* response) {
  const absl::StatusOr<Database*> database =
      registry_->Find(request->database());
  if (!database.ok()) return Refuse(context, database.status());
  absl::StatusOr<DecodedLease> decoded = DecodeLease(*request);
  if (!decoded.ok()) return Refuse(context, decoded.status());
  return BeginLeaseCall(*database, pool_, clock_, context, *std::move(decoded),
                        response);
}

grpc::ServerUnaryReactor* JobService::Heartbeat(
    grpc::CallbackServerContext* context, const v1::HeartbeatRequest* request,
    v1::HeartbeatResponse* response) {
  return Begin(*pool_, context, request->jobs_size(), 0,
               [=, this](grpc::ServerUnaryReactor* reactor) -> absl::Status {
                 ASSIGN_OR_RETURN(Database * database,
                                  registry_->Find(request->database()));
                 ASSIGN_OR_RETURN(const int64_t lease_us,
                                  DecodeHeartbeat(*request));
                 return Submit(database, context, reactor, request->jobs_size(),
                               0, [=](WriteTransaction& transaction) {
                                 return HeartbeatJobs(transaction, *request,
                                                      lease_us, response);
                               });
               });
}

grpc::ServerUnaryReactor* JobService::Complete(
    grpc::CallbackServerContext* context, const v1::CompleteRequest* request,
    v1::CompleteResponse* response) {
  const size_t bytes = request->ByteSizeLong();
  return Begin(
      *pool_, context, request->jobs_size(), bytes,
      [=, this](grpc::ServerUnaryReactor* reactor) -> absl::Status {
        ASSIGN_OR_RETURN(Database * database,
                         registry_->Find(request->database()));
        ASSIGN_OR_RETURN(std::vector<JobCompletion> jobs,
                         DecodeComplete(*request));
        return Submit(
            database, context, reactor, request->jobs_size(), bytes,
            [jobs = std::move(jobs), response](WriteTransaction& transaction) {
              return CompleteJobs(transaction, jobs, response);
            });
      });
}

grpc::ServerUnaryReactor* JobService::Fail(grpc::CallbackServerContext* context,
                                           const v1::FailRequest* request,
                                           v1::FailResponse* response) {
  const size_t bytes = request->ByteSizeLong();
  return Begin(
      *pool_, context, request->jobs_size(), bytes,
      [=, this](grpc::ServerUnaryReactor* reactor) -> absl::Status {
        ASSIGN_OR_RETURN(Database * database,
                         registry_->Find(request->database()));
        ASSIGN_OR_RETURN(std::vector<FailedJob> jobs, DecodeFail(*request));
        return Submit(
            database, context, reactor, request->jobs_size(), bytes,
            [jobs = std::move(jobs), response](WriteTransaction& transaction) {
              return FailJobs(transaction, jobs, response);
            });
      });
}

grpc::ServerUnaryReactor* JobService::Cancel(
    grpc::CallbackServerContext* context,
    const v1::JobServiceCancelRequest* request,
    v1::JobServiceCancelResponse* response) {
  return Begin(
      *pool_, context, request->ids_size(), 0,
      [=, this](grpc::ServerUnaryReactor* reactor) -> absl::Status {
        ASSIGN_OR_RETURN(Database * database,
                         registry_->Find(request->database()));
        ASSIGN_OR_RETURN(std::vector<int64_t> ids, DecodeCancel(*request));
        return Submit(
            database, context, reactor, request->ids_size(), 0,
            [ids = std::move(ids),
             response](WriteTransaction& transaction) -> absl::Status {
              ASSIGN_OR_RETURN(const int64_t cancelled,
                               CancelJobs(transaction, ids, JobLimits()));
              response->set_cancelled(cancelled);
              return absl::OkStatus();
            });
      });
}

grpc::ServerUnaryReactor* JobService::Retry(
    grpc::CallbackServerContext* context, const v1::RetryRequest* request,
    v1::RetryResponse* response) {
  return Begin(
      *pool_, context, request->ids_size(), 0,
      [=, this](grpc::ServerUnaryReactor* reactor) -> absl::Status {
        ASSIGN_OR_RETURN(Database * database,
                         registry_->Find(request->database()));
        ASSIGN_OR_RETURN(std::vector<int64_t> ids, DecodeRetry(*request));
        if (ids.empty()) {
          RetryQueue(database, rpc::DeadlineOf(*context), request->queue(), {},
                     response, reactor);
          return absl::OkStatus();
        }
        return Submit(database, context, reactor, request->ids_size(), 0,
                      [ids = std::move(ids), response](
                          WriteTransaction& transaction) -> absl::Status {
                        ASSIGN_OR_RETURN(const int64_t retried,
                                         RetryJobs(transaction, ids));
                        response->set_retried(retried);
                        return absl::OkStatus();
                      });
      });
}

grpc::ServerUnaryReactor* JobService::Get(
    grpc::CallbackServerContext* context,
    const v1::JobServiceGetRequest* request,
    v1::JobServiceGetResponse* response) {
  return RunRead(*pool_, context, *registry_, request->database(),
                 [=](Database& database, sqlite::Connection& reader) {
                   return GetJob(reader, database.name(), request->id(),
                                 response->mutable_job());
                 });
}

grpc::ServerUnaryReactor* JobService::List(
    grpc::CallbackServerContext* context,
    const v1::JobServiceListRequest* request,
    v1::JobServiceListResponse* response) {
  return RunRead(*pool_, context, *registry_, request->database(),
                 [=](Database&, sqlite::Connection& reader) -> absl::Status {
                   ASSIGN_OR_RETURN(const JobList list, DecodeList(*request));
                   return ListJobs(reader, list, response);
                 });
}

grpc::ServerUnaryReactor* JobService::Stats(
    grpc::CallbackServerContext* context,
    const v1::JobServiceStatsRequest* request,
    v1::JobServiceStatsResponse* response) {
  return RunRead(
      *pool_, context, *registry_, request->database(),
      [=](Database& database, sqlite::Connection& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const DecodedStats stats, DecodeStats(*request));
        return ReadJobStats(reader, stats.queues, stats.window,
                            database.now_us(), response);
      });
}

grpc::ServerUnaryReactor* JobService::Pause(
    grpc::CallbackServerContext* context,
    const v1::JobServicePauseRequest* request, v1::JobServicePauseResponse*) {
  return Begin(*pool_, context, 1, 0,
               [=, this](grpc::ServerUnaryReactor* reactor) -> absl::Status {
                 ASSIGN_OR_RETURN(Database * database,
                                  registry_->Find(request->database()));
                 RETURN_IF_ERROR(CheckPause(*request));
                 return Submit(database, context, reactor, 1, 0,
                               [request](WriteTransaction& transaction) {
                                 return PauseJobs(transaction, request->queue(),
                                                  request->paused(),
                                                  JobLimits());
                               });
               });
}

}  // namespace engram::storage
