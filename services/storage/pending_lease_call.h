#ifndef ENGRAM_SERVICES_STORAGE_PENDING_LEASE_CALL_H_
#define ENGRAM_SERVICES_STORAGE_PENDING_LEASE_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/time/time.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "libs/status/errors.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// Begins one VectorService.LeasePending call and returns it, for gRPC. It
// looks, and if there is nothing, waits for news without holding a thread, and
// looks again. All that it refers to must outlive the call.
grpc::ServerUnaryReactor* BeginPendingLeaseCall(
    DatabaseRegistry* registry, rpc::ThreadPool* pool, const Clock* clock,
    grpc::CallbackServerContext* context,
    const v1::LeasePendingRequest* request, v1::LeasePendingResponse* response);

// How long a lease that is asked for lasts: absent is 60 s. What is not 0 to 10
// min is a violation, and what is returned of no use.
absl::Duration DecodeLeaseDuration(bool is_set,
                                   const google::protobuf::Duration& sent,
                                   FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_PENDING_LEASE_CALL_H_
