#ifndef ENGRAM_SERVICES_STORAGE_VECTOR_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_VECTOR_SERVICE_H_

#include "engram/storage/v1/vector.grpc.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The RPC edge for text that waits to be embedded, and for vectors; the proto
// says what each method promises.
class VectorService : public v1::VectorService::CallbackService {
 public:
  // All must outlive this object.
  VectorService(DatabaseRegistry* registry, rpc::ThreadPool* pool,
                const Clock* clock)
      : registry_(registry), pool_(pool), clock_(clock) {}

  grpc::ServerUnaryReactor* LeasePending(
      grpc::CallbackServerContext* context,
      const v1::LeasePendingRequest* request,
      v1::LeasePendingResponse* response) override;
  grpc::ServerUnaryReactor* ExtendLease(
      grpc::CallbackServerContext* context,
      const v1::ExtendLeaseRequest* request,
      v1::ExtendLeaseResponse* response) override;
  grpc::ServerUnaryReactor* PutVectors(
      grpc::CallbackServerContext* context,
      const v1::PutVectorsRequest* request,
      v1::PutVectorsResponse* response) override;
  grpc::ServerUnaryReactor* GetCoverage(
      grpc::CallbackServerContext* context,
      const v1::GetCoverageRequest* request,
      v1::GetCoverageResponse* response) override;
  grpc::ServerUnaryReactor* ReportFailure(
      grpc::CallbackServerContext* context,
      const v1::ReportFailureRequest* request,
      v1::ReportFailureResponse* response) override;
  grpc::ServerUnaryReactor* ListFailures(
      grpc::CallbackServerContext* context,
      const v1::ListFailuresRequest* request,
      v1::ListFailuresResponse* response) override;
  grpc::ServerUnaryReactor* RetryFailures(
      grpc::CallbackServerContext* context,
      const v1::RetryFailuresRequest* request,
      v1::RetryFailuresResponse* response) override;
  grpc::ServerUnaryReactor* GetVectors(
      grpc::CallbackServerContext* context,
      const v1::GetVectorsRequest* request,
      v1::GetVectorsResponse* response) override;
  grpc::ServerUnaryReactor* GetBacklog(
      grpc::CallbackServerContext* context,
      const v1::GetBacklogRequest* request,
      v1::GetBacklogResponse* response) override;
  grpc::ServerUnaryReactor* SetPause(grpc::CallbackServerContext* context,
                                     const v1::SetPauseRequest* request,
                                     v1::SetPauseResponse* response) override;
  grpc::ServerUnaryReactor* GetUsage(grpc::CallbackServerContext* context,
                                     const v1::GetUsageRequest* request,
                                     v1::GetUsageResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VECTOR_SERVICE_H_
