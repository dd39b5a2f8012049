#ifndef ENGRAM_SERVICES_STORAGE_JOB_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_JOB_SERVICE_H_

#include "engram/storage/v1/job.grpc.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The RPC edge for queues; the proto says what each method promises.
class JobService : public v1::JobService::CallbackService {
 public:
  // All must outlive this object.
  JobService(DatabaseRegistry* registry, rpc::ThreadPool* pool,
             const Clock* clock)
      : registry_(registry), pool_(pool), clock_(clock) {}

  grpc::ServerUnaryReactor* Enqueue(grpc::CallbackServerContext* context,
                                    const v1::EnqueueRequest* request,
                                    v1::EnqueueResponse* response) override;
  grpc::ServerUnaryReactor* Lease(grpc::CallbackServerContext* context,
                                  const v1::LeaseRequest* request,
                                  v1::LeaseResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* Complete(grpc::CallbackServerContext* context,
                                     const v1::CompleteRequest* request,
                                     v1::CompleteResponse* response) override;
  grpc::ServerUnaryReactor* Fail(grpc::CallbackServerContext* context,
                                 const v1::FailRequest* request,
                                 v1::FailResponse* response) override;
  grpc::ServerUnaryReactor* Cancel(
      grpc::CallbackServerContext* context,
      const v1::JobServiceCancelRequest* request,
      v1::JobServiceCancelResponse* response) override;
  grpc::ServerUnaryReactor* Retry(grpc::CallbackServerContext* context,
                                  const v1::RetryRequest* request,
                                  v1::RetryResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::JobServiceGetRequest* request,
                                v1::JobServiceGetResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::JobServiceListRequest* request,
                                 v1::JobServiceListResponse* response) override;
  grpc::ServerUnaryReactor* Stats(
      grpc::CallbackServerContext* context,
      const v1::JobServiceStatsRequest* request,
      v1::JobServiceStatsResponse* response) override;
  grpc::ServerUnaryReactor* Pause(
      grpc::CallbackServerContext* context,
      const v1::JobServicePauseRequest* request,
      v1::JobServicePauseResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_SERVICE_H_
