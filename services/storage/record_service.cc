#include "services/storage/record_service.h"

#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_writer.h"
#include "services/storage/sweeper.h"

namespace engram::storage {
namespace {

// Requests up to this size are decoded in gRPC's own thread; larger ones would
// hold it for more than some 200 us.
constexpr int kMaxInlineItems = 16;
constexpr size_t kMaxInlineBytes = 64 << 10;

// Queues a write and leaves the rest to the writer, which ends the call.
void StartWrite(DatabaseRegistry& registry,
                grpc::CallbackServerContext* context,
                const v1::WriteRequest& request, v1::WriteResponse* response,
                grpc::ServerUnaryReactor* reactor) {
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) return rpc::Finish(reactor, database.status());
  absl::StatusOr<RecordBatch> batch =
      DecodeBatch((*database)->name(), (*database)->catalog(), request);
  if (!batch.ok()) return rpc::Finish(reactor, batch.status());
  (*database)->Submit(
      {.run = [context, &request, response, database = *database,
               batch = *std::move(batch)](
                  WriteTransaction& transaction) mutable -> absl::Status {
         if (context->IsCancelled()) {
           return absl::CancelledError("the client has gone");
         }
         return WriteRequest(transaction, *database, request, batch, response);
       },
       .done = [reactor](absl::Status status) { rpc::Finish(reactor, status); },
       .rows = static_cast<size_t>(request.items_size()),
       .bytes = request.ByteSizeLong(),
       .deadline = rpc::DeadlineOf(*context)});
}

// Begins a sweep, which ends the call; after an error it does not.
absl::Status StartSweep(const DatabaseRegistry& registry, absl::Time deadline,
                        const v1::SweepExpiredRequest& request,
                        v1::SweepExpiredResponse* response,
                        grpc::ServerUnaryReactor* reactor) {
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  std::vector<std::string> collections;
  if (!request.collection().empty()) {
    ASSIGN_OR_RETURN(
        const CollectionPtr collection,
        database->catalog().Get(database->name(), request.collection()));
    collections.push_back(collection->name());
  }
  Sweep::Start(*database, std::move(collections), deadline,
               [=](const absl::Status& status, const SweepResult& result) {
                 response->set_expired(result.expired);
                 response->set_purged(result.purged);
                 response->set_position(
                     database->PositionAt(result.sequence).ToString());
                 rpc::Finish(reactor, status);
               });
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* RecordService::Write(
    grpc::CallbackServerContext* context, const v1::WriteRequest* request,
    v1::WriteResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (request->items_size() <= kMaxInlineItems &&
      request->ByteSizeLong() <= kMaxInlineBytes) {
    StartWrite(*registry_, context, *request, response, reactor);
    return reactor;
  }
  const absl::Status queued = pool_->Submit([=, this] {
    StartWrite(*registry_, context, *request, response, reactor);
  });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* RecordService::SweepExpired(
    grpc::CallbackServerContext* context,
    const v1::SweepExpiredRequest* request,
    v1::SweepExpiredResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status started = StartSweep(*registry_, rpc::DeadlineOf(*context),
                                          *request, response, reactor);
  if (!started.ok()) rpc::Finish(reactor, started);
  return reactor;
}

}  // namespace engram::storage
