#include "services/search/search_service.h"

#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "libs/rpc/reactors.h"
#include "services/search/batch_query_call.h"
#include "services/search/duplicate_search.h"
#include "services/search/query_decoder.h"
#include "services/search/query_starter.h"
#include "services/search/recommend_decoder.h"
#include "services/search/started_call.h"

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
  return StartCall(
      slot_, context,
      [=](std::shared_ptr<SearchBackend> backend,
          grpc::ServerUnaryReactor* reactor) {
        const CallTimes times = TimesOf(*backend, *context);
        StartQuery(std::move(backend), times, DecodeQuery(*request), response,
                   /*gatherer=*/nullptr, [reactor](const absl::Status& status) {
                     rpc::Finish(reactor, status);
                   });
      });
}

grpc::ServerUnaryReactor* SearchService::BatchQuery(
    grpc::CallbackServerContext* context, const v1::BatchQueryRequest* request,
    v1::BatchQueryResponse* response) {
  return StartCall(slot_, context,
                   [=](std::shared_ptr<SearchBackend> backend,
                       grpc::ServerUnaryReactor* reactor) {
                     const CallTimes times = TimesOf(*backend, *context);
                     std::make_shared<BatchQueryCall>(
                         std::move(backend), times, response,
                         [reactor](const absl::Status& status) {
                           rpc::Finish(reactor, status);
                         })
                         ->Start(*request);
                   });
}

grpc::ServerUnaryReactor* SearchService::FindDuplicates(
    grpc::CallbackServerContext* context,
    const v1::FindDuplicatesRequest* request,
    v1::FindDuplicatesResponse* response) {
  return StartDatabaseCall(
      slot_, context, CheckDuplicatesRequest(*request), request->database(),
      [=](const DatabaseCall& call) {
        rpc::Finish(call.reactor,
                    StartFindDuplicates(call.backend, *call.follower, *request,
                                        *response));
      });
}

grpc::ServerUnaryReactor* SearchService::Recommend(
    grpc::CallbackServerContext* context, const v1::RecommendRequest* request,
    v1::RecommendResponse* response) {
  return StartCall(slot_, context,
                   [=](std::shared_ptr<SearchBackend> backend,
                       grpc::ServerUnaryReactor* reactor) {
                     const CallTimes times = TimesOf(*backend, *context);
                     StartQuery(
                         std::move(backend), times, DecodeRecommend(*request),
                         response->mutable_response(), /*gatherer=*/nullptr,
                         [reactor](const absl::Status& status) {
                           rpc::Finish(reactor, RecommendError(status));
                         });
                   });
}

}  // namespace engram::search
