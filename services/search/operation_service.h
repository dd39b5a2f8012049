#ifndef ENGRAM_SERVICES_SEARCH_OPERATION_SERVICE_H_
#define ENGRAM_SERVICES_SEARCH_OPERATION_SERVICE_H_

#include "engram/search/v1/operation.grpc.pb.h"
#include "services/search/search_backend.h"

namespace engram::search {

// The RPC edge for long work.
class OperationService : public v1::OperationService::CallbackService {
 public:
  // `slot` must outlive this object.
  explicit OperationService(const BackendSlot& slot) : slot_(slot) {}

  grpc::ServerUnaryReactor* Get(
      grpc::CallbackServerContext* context,
      const v1::OperationServiceGetRequest* request,
      v1::OperationServiceGetResponse* response) override;

  grpc::ServerUnaryReactor* List(
      grpc::CallbackServerContext* context,
      const v1::OperationServiceListRequest* request,
      v1::OperationServiceListResponse* response) override;

  grpc::ServerUnaryReactor* Wait(
      grpc::CallbackServerContext* context,
      const v1::OperationServiceWaitRequest* request,
      v1::OperationServiceWaitResponse* response) override;

  grpc::ServerUnaryReactor* Cancel(
      grpc::CallbackServerContext* context,
      const v1::OperationServiceCancelRequest* request,
      v1::OperationServiceCancelResponse* response) override;

 private:
  const BackendSlot& slot_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_OPERATION_SERVICE_H_
