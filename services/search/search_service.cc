#include "services/search/search_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "libs/rpc/reactors.h"
#include "services/search/batch_query_call.h"
#include "services/search/duplicate_search.h"
#include "services/search/query_decoder.h"
#include "services/search/query_starter.h"
#include "services/search/recommend_decoder.h"

namespace engram::search {
namespace {

CallTimes TimesOf(const SearchBackend& backend,
                  const grpc::CallbackServerContext& context) {
  return {.start = absl::Now(), .deadline = backend.DeadlineOf(context)};
}

}  // namespace

grpc::ServerUnaryReactor* SearchService::Query(
    grpc::CallbackServerContext* context, const v1::QueryRequest* request,
    v1::QueryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
    return reactor;
  }
  const CallTimes times = TimesOf(*backend, *context);
  StartQuery(std::move(backend), times, DecodeQuery(*request), response,
             /*gatherer=*/nullptr, [reactor](const absl::Status& status) {
               rpc::Finish(reactor, status);
             });
  return reactor;
}

grpc::ServerUnaryReactor* SearchService::BatchQuery(
    grpc::CallbackServerContext* context, const v1::BatchQueryRequest* request,
    v1::BatchQueryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
    return reactor;
  }
  const CallTimes times = TimesOf(*backend, *context);
  std::make_shared<BatchQueryCall>(
      std::move(backend), times, response,
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
  backend->gate.FindDatabase(
      DatabaseOrDefault(request->database()), backend->DeadlineOf(*context),
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
  const CallTimes times = TimesOf(*backend, *context);
  StartQuery(std::move(backend), times, DecodeRecommend(*request),
             response->mutable_response(), /*gatherer=*/nullptr,
             [reactor](const absl::Status& status) {
               rpc::Finish(reactor, RecommendError(status));
             });
  return reactor;
}

}  // namespace engram::search
