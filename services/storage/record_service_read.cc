// RecordService's reads of records by id and by page.

#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_get.h"
#include "services/storage/record_list.h"
#include "services/storage/record_service.h"

namespace engram::storage {

grpc::ServerUnaryReactor* RecordService::Get(
    grpc::CallbackServerContext* context,
    const v1::RecordServiceGetRequest* request,
    v1::RecordServiceGetResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto database = registry_->Find(request->database());
  rpc::Finish(reactor, database.ok() ? GetRecord(**database, *request,
                                                 response->mutable_record())
                                     : database.status());
  return reactor;
}

grpc::ServerUnaryReactor* RecordService::BatchGet(
    grpc::CallbackServerContext* context, const v1::BatchGetRequest* request,
    v1::BatchGetResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return GetRecords(*database, *request, response);
  });
}

grpc::ServerUnaryReactor* RecordService::List(
    grpc::CallbackServerContext* context,
    const v1::RecordServiceListRequest* request,
    v1::RecordServiceListResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    const CallBounds bounds = {
        .deadline = rpc::DeadlineOf(*context),
        .is_cancelled = [context] { return context->IsCancelled(); }};
    return ListRecords(*database, *request, bounds, response);
  });
}

}  // namespace engram::storage
