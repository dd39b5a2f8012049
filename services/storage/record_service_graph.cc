// RecordService's walks over graphs.

#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/common_neighbors.h"
#include "services/storage/node_degrees.h"
#include "services/storage/record_service.h"
#include "services/storage/traverse.h"

namespace engram::storage {
namespace {

// Runs `function` on the pool: what a graph has to say may take long.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* RunGraphCall(
    const DatabaseRegistry& registry, rpc::ThreadPool& pool,
    grpc::CallbackServerContext* context,
    absl::Status (*function)(Database&, const Request&, const CallBounds&,
                             Response*, const GraphLimits&),
    const Request* request, Response* response) {
  return rpc::RunUnary(pool, context, [=, &registry]() -> absl::Status {
    ASSIGN_OR_RETURN(Database* const database,
                     registry.Find(request->database()));
    const CallBounds bounds = {
        .deadline = rpc::DeadlineOf(*context),
        .is_cancelled = [context] { return context->IsCancelled(); }};
    return function(*database, *request, bounds, response, GraphLimits());
  });
}

}  // namespace

grpc::ServerUnaryReactor* RecordService::Traverse(
    grpc::CallbackServerContext* context, const v1::TraverseRequest* request,
    v1::TraverseResponse* response) {
  return RunGraphCall(*registry_, *pool_, context, &storage::Traverse, request,
                      response);
}

grpc::ServerUnaryReactor* RecordService::GetDegrees(
    grpc::CallbackServerContext* context, const v1::GetDegreesRequest* request,
    v1::GetDegreesResponse* response) {
  return RunGraphCall(*registry_, *pool_, context, &storage::GetDegrees,
                      request, response);
}

grpc::ServerUnaryReactor* RecordService::GetCommonNeighbors(
    grpc::CallbackServerContext* context,
    const v1::GetCommonNeighborsRequest* request,
    v1::GetCommonNeighborsResponse* response) {
  return RunGraphCall(*registry_, *pool_, context, &storage::GetCommonNeighbors,
                      request, response);
}

}  // namespace engram::storage
