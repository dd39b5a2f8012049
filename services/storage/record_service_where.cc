// RecordService's changes of every record that meets a filter.

#include <utility>

#include "libs/rpc/reactors.h"
#include "services/storage/record_service.h"
#include "services/storage/record_where.h"

namespace engram::storage {
namespace {

// Runs `function`, which ends the call; its long work is done on the pool.
template <typename Function, typename Request, typename Response>
grpc::ServerUnaryReactor* StartWhere(const DatabaseRegistry& registry,
                                     rpc::ThreadPool& pool,
                                     grpc::CallbackServerContext* context,
                                     Function function, const Request& request,
                                     Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) {
    rpc::Finish(reactor, database.status());
    return reactor;
  }
  WhereCall call = {
      .bounds = {.deadline = rpc::DeadlineOf(*context),
                 .is_cancelled = [context] { return context->IsCancelled(); }},
      .run = [&pool](absl::AnyInvocable<void()> work) {
        return pool.Submit(std::move(work));
      }};
  const absl::Status queued =
      pool.Submit([function, database = *database, &request, response, reactor,
                   call = std::move(call)]() mutable {
        function(*database, request, response, std::move(call),
                 [reactor](const absl::Status& status) {
                   rpc::Finish(reactor, status);
                 });
      });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* RecordService::UpdateWhere(
    grpc::CallbackServerContext* context, const v1::UpdateWhereRequest* request,
    v1::UpdateWhereResponse* response) {
  return StartWhere(*registry_, *pool_, context, &storage::UpdateWhere,
                    *request, response);
}

grpc::ServerUnaryReactor* RecordService::DeleteWhere(
    grpc::CallbackServerContext* context, const v1::DeleteWhereRequest* request,
    v1::DeleteWhereResponse* response) {
  return StartWhere(*registry_, *pool_, context, &storage::DeleteWhere,
                    *request, response);
}

}  // namespace engram::storage
