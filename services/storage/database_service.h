#ifndef ENGRAM_SERVICES_STORAGE_DATABASE_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_DATABASE_SERVICE_H_

#include "engram/storage/v1/database.grpc.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The RPC edge for databases; the proto says what each method promises.
class DatabaseService : public v1::DatabaseService::CallbackService {
 public:
  // All must outlive this object.
  DatabaseService(DatabaseRegistry* registry, rpc::ThreadPool* pool,
                  const Clock* clock)
      : registry_(registry), pool_(pool), clock_(clock) {}

  grpc::ServerUnaryReactor* Create(
      grpc::CallbackServerContext* context,
      const v1::DatabaseServiceCreateRequest* request,
      v1::DatabaseServiceCreateResponse* response) override;
  grpc::ServerUnaryReactor* Get(
      grpc::CallbackServerContext* context,
      const v1::DatabaseServiceGetRequest* request,
      v1::DatabaseServiceGetResponse* response) override;
  grpc::ServerUnaryReactor* List(
      grpc::CallbackServerContext* context,
      const v1::DatabaseServiceListRequest* request,
      v1::DatabaseServiceListResponse* response) override;
  grpc::ServerUnaryReactor* Delete(
      grpc::CallbackServerContext* context,
      const v1::DatabaseServiceDeleteRequest* request,
      v1::DatabaseServiceDeleteResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchDatabasesResponse>* WatchDatabases(
      grpc::CallbackServerContext* context,
      const v1::WatchDatabasesRequest* request) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_DATABASE_SERVICE_H_
