#ifndef ENGRAM_SERVICES_STORAGE_JOB_LEASE_CALL_H_
#define ENGRAM_SERVICES_STORAGE_JOB_LEASE_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "engram/storage/v1/job.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database.h"
#include "services/storage/job_request.h"

namespace engram::storage {

// Begins one JobService.Lease call and returns it, for gRPC. It looks in a
// write of its own, and if there is nothing, waits for jobs without holding a
// thread, and looks again. What it refers to must outlive it.
grpc::ServerUnaryReactor* BeginLeaseCall(Database* database,
                                         rpc::ThreadPool* pool,
                                         const Clock* clock,
                                         grpc::CallbackServerContext* context,
                                         DecodedLease decoded,
                                         v1::LeaseResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_LEASE_CALL_H_
