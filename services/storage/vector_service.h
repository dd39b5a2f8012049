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
  grpc::ServerUnaryReactor* PutVectors(
      grpc::CallbackServerContext* context,
      const v1::PutVectorsRequest* request,
      v1::PutVectorsResponse* response) override;
  grpc::ServerUnaryReactor* GetCoverage(
      grpc::CallbackServerContext* context,
      const v1::GetCoverageRequest* request,
      v1::GetCoverageResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VECTOR_SERVICE_H_
