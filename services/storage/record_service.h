#ifndef ENGRAM_SERVICES_STORAGE_RECORD_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_SERVICE_H_

#include <atomic>

#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"
#include "services/storage/row_hints.h"

namespace engram::storage {

// The RPC edge for records; the proto says what each method promises.
class RecordService : public v1::RecordService::WithRawCallbackMethod_Get<
                          v1::RecordService::WithRawCallbackMethod_BatchGet<
                              v1::RecordService::WithRawCallbackMethod_List<
                                  v1::RecordService::CallbackService>>> {
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
  // Raw: their answers are encoded as they are read (record_reader.h).
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* BatchGet(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Traverse(grpc::CallbackServerContext* context,
                                     const v1::TraverseRequest* request,
                                     v1::TraverseResponse* response) override;
  grpc::ServerUnaryReactor* GetDegrees(
      grpc::CallbackServerContext* context,
      const v1::GetDegreesRequest* request,
      v1::GetDegreesResponse* response) override;
  grpc::ServerUnaryReactor* GetCommonNeighbors(
      grpc::CallbackServerContext* context,
      const v1::GetCommonNeighborsRequest* request,
      v1::GetCommonNeighborsResponse* response) override;
  grpc::ServerUnaryReactor* SearchText(
      grpc::CallbackServerContext* context,
      const v1::SearchTextRequest* request,
      v1::SearchTextResponse* response) override;
  grpc::ServerUnaryReactor* Aggregate(grpc::CallbackServerContext* context,
                                      const v1::AggregateRequest* request,
                                      v1::AggregateResponse* response) override;
  grpc::ServerUnaryReactor* ListVersions(
      grpc::CallbackServerContext* context,
      const v1::ListVersionsRequest* request,
      v1::ListVersionsResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportResponse>* Export(
      grpc::CallbackServerContext* context,
      const v1::ExportRequest* request) override;
  grpc::ServerUnaryReactor* Query(grpc::CallbackServerContext* context,
                                  const v1::QueryRequest* request,
                                  v1::QueryResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  std::atomic<int> running_queries_ = 0;
  RowHints row_hints_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_SERVICE_H_
