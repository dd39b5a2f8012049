// RecordService's reads of records by id and by page.

#include <string>
#include <utility>

#include "libs/rpc/byte_buffer.h"
#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_get.h"
#include "services/storage/record_list.h"
#include "services/storage/record_service.h"

namespace engram::storage {

namespace {

absl::Status Get(const DatabaseRegistry& registry, RowHints& hints,
                 const grpc::ByteBuffer& bytes, grpc::ByteBuffer* response) {
  v1::RecordServiceGetRequest request;
  RETURN_IF_ERROR(rpc::Decode(bytes, &request));
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  ASSIGN_OR_RETURN(std::string encoded, GetRecord(*database, hints, request));
  rpc::ToByteBuffer(std::move(encoded)).Swap(response);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* RecordService::Get(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rpc::Finish(reactor,
              storage::Get(*registry_, row_hints_, *request, response));
  return reactor;
}

grpc::ServerUnaryReactor* RecordService::BatchGet(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes,
    grpc::ByteBuffer* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    v1::BatchGetRequest request;
    RETURN_IF_ERROR(rpc::Decode(*bytes, &request));
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request.database()));
    const CallBounds bounds = {
        .deadline = rpc::DeadlineOf(*context),
        .is_cancelled = [context] { return context->IsCancelled(); }};
    ASSIGN_OR_RETURN(std::string encoded,
                     GetRecords(*database, row_hints_, request, bounds));
    *response = rpc::ToByteBuffer(std::move(encoded));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* RecordService::List(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes,
    grpc::ByteBuffer* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    v1::RecordServiceListRequest request;
    RETURN_IF_ERROR(rpc::Decode(*bytes, &request));
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request.database()));
    const CallBounds bounds = {
        .deadline = rpc::DeadlineOf(*context),
        .is_cancelled = [context] { return context->IsCancelled(); }};
    ASSIGN_OR_RETURN(std::string encoded,
                     ListRecords(*database, request, bounds));
    *response = rpc::ToByteBuffer(std::move(encoded));
    return absl::OkStatus();
  });
}

}  // namespace engram::storage
