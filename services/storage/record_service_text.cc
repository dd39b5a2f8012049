// RecordService's search for words.

#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_service.h"
#include "services/storage/text_search.h"

namespace engram::storage {
namespace {

absl::Status FindAndSearch(const DatabaseRegistry& registry,
                           const grpc::CallbackServerContext& context,
                           const v1::SearchTextRequest& request,
                           v1::SearchTextResponse* response) {
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  return SearchText(
      *database, request,
      {.deadline = rpc::DeadlineOf(context),
       .is_cancelled = [&context] { return context.IsCancelled(); }},
      response);
}

}  // namespace

grpc::ServerUnaryReactor* RecordService::SearchText(
    grpc::CallbackServerContext* context, const v1::SearchTextRequest* request,
    v1::SearchTextResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return FindAndSearch(*registry_, *context, *request, response);
  });
}

}  // namespace engram::storage
