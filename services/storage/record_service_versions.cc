// RecordService's versions of a record.

#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_service.h"
#include "services/storage/record_versions.h"

namespace engram::storage {

grpc::ServerUnaryReactor* RecordService::ListVersions(
    grpc::CallbackServerContext* context,
    const v1::ListVersionsRequest* request,
    v1::ListVersionsResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return storage::ListVersions(*database, *request, response);
  });
}

}  // namespace engram::storage
