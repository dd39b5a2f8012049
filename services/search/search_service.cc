#include "services/search/search_service.h"

#include <memory>

#include "libs/rpc/reactors.h"
#include "services/search/query_call.h"
#include "services/search/recommend_decoder.h"

namespace engram::search {

grpc::ServerUnaryReactor* SearchService::Query(
    grpc::CallbackServerContext* context, const v1::QueryRequest* request,
    v1::QueryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
    return reactor;
  }
  const absl::Time deadline = backend->DeadlineOf(*context);
  std::make_shared<QueryCall>(
      std::move(backend), deadline, response,
      [reactor](const absl::Status& status) { rpc::Finish(reactor, status); })
      ->Start(*request);
  return reactor;
}

grpc::ServerUnaryReactor* SearchService::Recommend(
    grpc::CallbackServerContext* context, const v1::RecommendRequest* request,
    v1::RecommendResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
    return reactor;
  }
  const absl::Time deadline = backend->DeadlineOf(*context);
  std::make_shared<QueryCall>(std::move(backend), deadline,
                              response->mutable_response(),
                              [reactor](const absl::Status& status) {
                                rpc::Finish(reactor, RecommendError(status));
                              })
      ->Start(DecodeRecommend(*request));
  return reactor;
}

}  // namespace engram::search
