#ifndef ENGRAM_SERVICES_SEARCH_INDEX_SERVICE_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_SERVICE_H_

#include "engram/search/v1/index.grpc.pb.h"
#include "services/search/search_backend.h"

namespace engram::search {

// The RPC edge that shows, checks and rebuilds indexes.
class IndexService : public v1::IndexService::CallbackService {
 public:
  // `slot` must outlive this object.
  explicit IndexService(const BackendSlot& slot) : slot_(slot) {}

  grpc::ServerUnaryReactor* ListIndexes(
      grpc::CallbackServerContext* context,
      const v1::ListIndexesRequest* request,
      v1::ListIndexesResponse* response) override;

  grpc::ServerUnaryReactor* GetIndex(grpc::CallbackServerContext* context,
                                     const v1::GetIndexRequest* request,
                                     v1::GetIndexResponse* response) override;

  grpc::ServerUnaryReactor* WaitForPosition(
      grpc::CallbackServerContext* context,
      const v1::WaitForPositionRequest* request,
      v1::WaitForPositionResponse* response) override;

  grpc::ServerUnaryReactor* VerifyIndex(
      grpc::CallbackServerContext* context,
      const v1::VerifyIndexRequest* request,
      v1::VerifyIndexResponse* response) override;

  grpc::ServerUnaryReactor* RebuildIndex(
      grpc::CallbackServerContext* context,
      const v1::RebuildIndexRequest* request,
      v1::RebuildIndexResponse* response) override;

 private:
  const BackendSlot& slot_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_SERVICE_H_
