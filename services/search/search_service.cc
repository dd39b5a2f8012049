#include "services/search/search_service.h"

#include <memory>
#include <string>

#include "libs/rpc/reactors.h"
#include "services/search/duplicate_search.h"
#include "services/search/query_call.h"
#include "services/search/query_decoder.h"
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

grpc::ServerUnaryReactor* SearchService::FindDuplicates(
    grpc::CallbackServerContext* context,
    const v1::FindDuplicatesRequest* request,
    v1::FindDuplicatesResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  const absl::Status checked = CheckDuplicatesRequest(*request);
  if (backend == nullptr || !checked.ok()) {
    rpc::Finish(reactor, backend == nullptr ? NotServingError() : checked);
    return reactor;
  }
  const std::string database = request->database().empty()
                                   ? std::string(kDefaultDatabase)
                                   : request->database();
  backend->gate.FindDatabase(
      database, backend->DeadlineOf(*context),
      [=](absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
        rpc::Finish(reactor, follower.ok()
                                 ? StartFindDuplicates(backend, **follower,
                                                       *request, *response)
                                 : follower.status());
      });
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
