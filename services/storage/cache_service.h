#ifndef ENGRAM_SERVICES_STORAGE_CACHE_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_SERVICE_H_

#include "engram/storage/v1/cache.grpc.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/arena_allocator.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"
#include "services/storage/storage_metrics.h"

namespace engram::storage {

// The RPC edge for caches; the proto says what each method promises.
class CacheService : public v1::CacheService::CallbackService {
 public:
  // All must outlive this object.
  CacheService(DatabaseRegistry* registry, rpc::ThreadPool* pool,
               const Clock* clock)
      : registry_(registry), pool_(pool), clock_(clock) {
    SetMessageAllocatorFor_Get(&get_messages_);
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::CacheServiceGetRequest* request,
                                v1::CacheServiceGetResponse* response) override;
  grpc::ServerUnaryReactor* Set(grpc::CallbackServerContext* context,
                                const v1::SetRequest* request,
                                v1::SetResponse* response) override;
  grpc::ServerUnaryReactor* GetOrLease(
      grpc::CallbackServerContext* context,
      const v1::GetOrLeaseRequest* request,
      v1::GetOrLeaseResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseLease(
      grpc::CallbackServerContext* context,
      const v1::ReleaseLeaseRequest* request,
      v1::ReleaseLeaseResponse* response) override;
  grpc::ServerUnaryReactor* Has(grpc::CallbackServerContext* context,
                                const v1::HasRequest* request,
                                v1::HasResponse* response) override;
  grpc::ServerUnaryReactor* Delete(
      grpc::CallbackServerContext* context,
      const v1::CacheServiceDeleteRequest* request,
      v1::CacheServiceDeleteResponse* response) override;
  grpc::ServerUnaryReactor* DeleteMatching(
      grpc::CallbackServerContext* context,
      const v1::DeleteMatchingRequest* request,
      v1::DeleteMatchingResponse* response) override;
  grpc::ServerUnaryReactor* Keys(grpc::CallbackServerContext* context,
                                 const v1::KeysRequest* request,
                                 v1::KeysResponse* response) override;
  grpc::ServerUnaryReactor* Clear(grpc::CallbackServerContext* context,
                                  const v1::ClearRequest* request,
                                  v1::ClearResponse* response) override;
  grpc::ServerUnaryReactor* Stats(
      grpc::CallbackServerContext* context,
      const v1::CacheServiceStatsRequest* request,
      v1::CacheServiceStatsResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
  rpc::ArenaAllocator<v1::CacheServiceGetRequest, v1::CacheServiceGetResponse>
      get_messages_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_SERVICE_H_
