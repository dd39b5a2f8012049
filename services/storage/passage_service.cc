#include "services/storage/passage_service.h"

#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/passage_get.h"

namespace engram::storage {

grpc::ServerUnaryReactor* PassageService::GetPassages(
    grpc::CallbackServerContext* context, const v1::GetPassagesRequest* request,
    v1::GetPassagesResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return GetVectorPassages(*database, *request, response);
  });
}

}  // namespace engram::storage
