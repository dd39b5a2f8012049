#ifndef ENGRAM_SERVICES_STORAGE_RECORD_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_SERVICE_H_

#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The RPC edge for records; the proto says what each method promises.
class RecordService : public v1::RecordService::CallbackService {
 public:
  // Both must outlive this object.
  RecordService(DatabaseRegistry* registry, rpc::ThreadPool* pool)
      : registry_(registry), pool_(pool) {}

  grpc::ServerUnaryReactor* Write(grpc::CallbackServerContext* context,
                                  const v1::WriteRequest* request,
                                  v1::WriteResponse* response) override;
  grpc::ServerUnaryReactor* UpdateWhere(
      grpc::CallbackServerContext* context,
      const v1::UpdateWhereRequest* request,
      v1::UpdateWhereResponse* response) override;
  grpc::ServerUnaryReactor* DeleteWhere(
      grpc::CallbackServerContext* context,
      const v1::DeleteWhereRequest* request,
      v1::DeleteWhereResponse* response) override;
  grpc::ServerUnaryReactor* SweepExpired(
      grpc::CallbackServerContext* context,
      const v1::SweepExpiredRequest* request,
      v1::SweepExpiredResponse* response) override;
  grpc::ServerUnaryReactor* Get(
      grpc::CallbackServerContext* context,
      const v1::RecordServiceGetRequest* request,
      v1::RecordServiceGetResponse* response) override;
  grpc::ServerUnaryReactor* BatchGet(grpc::CallbackServerContext* context,
                                     const v1::BatchGetRequest* request,
                                     v1::BatchGetResponse* response) override;
  grpc::ServerUnaryReactor* List(
      grpc::CallbackServerContext* context,
      const v1::RecordServiceListRequest* request,
      v1::RecordServiceListResponse* response) override;
  grpc::ServerUnaryReactor* Aggregate(grpc::CallbackServerContext* context,
                                      const v1::AggregateRequest* request,
                                      v1::AggregateResponse* response) override;
  grpc::ServerUnaryReactor* ListVersions(
      grpc::CallbackServerContext* context,
      const v1::ListVersionsRequest* request,
      v1::ListVersionsResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_SERVICE_H_
