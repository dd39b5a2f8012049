// RecordService's figures about records.

#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/aggregate.h"
#include "services/storage/record_service.h"

namespace engram::storage {

grpc::ServerUnaryReactor* RecordService::Aggregate(
    grpc::CallbackServerContext* context, const v1::AggregateRequest* request,
    v1::AggregateResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    const CallBounds bounds = {
        .deadline = rpc::DeadlineOf(*context),
        .is_cancelled = [context] { return context->IsCancelled(); }};
    return storage::Aggregate(*database, *request, bounds, response);
  });
}

}  // namespace engram::storage
