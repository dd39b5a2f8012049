#ifndef ENGRAM_SERVICES_SEARCH_SEARCH_SERVICE_H_
#define ENGRAM_SERVICES_SEARCH_SEARCH_SERVICE_H_

#include "engram/search/v1/search.grpc.pb.h"
#include "libs/rpc/arena_allocator.h"
#include "services/search/search_backend.h"

namespace engram::search {

// ⑨ The RPC edge for queries.
//
// No call holds a thread while it waits: for a position, for the text to be
// embedded, for the records to be read.
class SearchService : public v1::SearchService::CallbackService {
 public:
  // `slot` must outlive this object.
  explicit SearchService(const BackendSlot& slot) : slot_(slot) {
    SetMessageAllocatorFor_Query(&query_messages_);
  }

  grpc::ServerUnaryReactor* Query(grpc::CallbackServerContext* context,
                                  const v1::QueryRequest* request,
                                  v1::QueryResponse* response) override;
  grpc::ServerUnaryReactor* Recommend(grpc::CallbackServerContext* context,
                                      const v1::RecommendRequest* request,
                                      v1::RecommendResponse* response) override;

  grpc::ServerUnaryReactor* FindDuplicates(
      grpc::CallbackServerContext* context,
      const v1::FindDuplicatesRequest* request,
      v1::FindDuplicatesResponse* response) override;

  grpc::ServerUnaryReactor* BatchQuery(
      grpc::CallbackServerContext* context,
      const v1::BatchQueryRequest* request,
      v1::BatchQueryResponse* response) override;

 private:
  const BackendSlot& slot_;
  rpc::ArenaAllocator<v1::QueryRequest, v1::QueryResponse> query_messages_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SEARCH_SERVICE_H_
