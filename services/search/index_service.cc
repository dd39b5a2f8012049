#include "services/search/index_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/index_verifier.h"
#include "services/search/operation_codec.h"
#include "services/search/query_decoder.h"

namespace engram::search {
namespace {

void EncodeIndex(const FeedFollower& follower, const DatabaseIndex& database,
                 const Index& index, v1::Index& encoded) {
  const IndexSpec& spec = index.spec();
  const IndexName name = database.NameOf(spec.generation);
  const IndexStats stats = index.Stats();
  Position position = database.position();
  position.sequence = stats.sequence;
  encoded.set_database(follower.database());
  encoded.set_collection(name.collection);
  encoded.set_vector_field(name.vector_field);
  encoded.set_generation(spec.generation);
  encoded.set_fingerprint(spec.fingerprint);
  encoded.set_dimensions(spec.dimensions);
  encoded.set_metric(EncodeMetric(spec.metric));
  encoded.set_state(!follower.HasCaughtUp() ? v1::Index::STATE_LOADING
                    : database.Serves(spec.generation)
                        ? v1::Index::STATE_SERVING
                        : v1::Index::STATE_STANDBY);
  encoded.set_records(stats.records);
  encoded.set_vectors(stats.vectors);
  encoded.set_pending(stats.pending);
  encoded.set_position(position.ToString());
  const std::optional<Position> newest = follower.progress().newest;
  if (newest.has_value()) encoded.set_newest_position(newest->ToString());
  encoded.set_memory_bytes(stats.memory_bytes);
  encoded.set_graph_vectors(stats.graph_vectors);
  const std::shared_ptr<const AttributeColumns> attributes =
      database.AttributesOf(name.collection);
  if (attributes != nullptr) {
    encoded.set_attribute_bytes(attributes->memory_bytes());
  }
}

// Runs the check in the operation's thread, and ends the operation with it.
void Verify(SearchBackend& backend, FeedFollower& follower,
            const std::string& collection, const IndexSpec& spec,
            OperationHandle& operation) {
  absl::StatusOr<v1::VerifyIndexResult> result =
      IndexVerifier(*backend.feed, follower, collection, spec, operation).Run();
  if (!result.ok()) return operation.Finish(result.status());
  operation.Finish(EncodeResult(*result));
}

absl::Status StartVerify(const std::shared_ptr<SearchBackend>& backend,
                         const std::shared_ptr<FeedFollower>& follower,
                         const v1::VerifyIndexRequest& request,
                         v1::VerifyIndexResponse& response) {
  ASSIGN_OR_RETURN(
      const ReadyIndex ready,
      FindReadyIndex(*follower, request.collection(), request.vector_field()));
  const std::shared_ptr<OperationHandle> operation =
      backend->operations.Start("verify-index", "records");
  const absl::Status queued = backend->operation_pool.Submit(
      [backend = backend.get(), follower, collection = request.collection(),
       spec = ready.index->spec(), operation] {
        Verify(*backend, *follower, collection, spec, *operation);
      });
  if (!queued.ok()) {
    operation->Finish(queued);
    return queued;
  }
  *response.mutable_operation() =
      EncodeOperation(*backend->operations.Get(operation->name()));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* IndexService::ListIndexes(
    grpc::CallbackServerContext* context, const v1::ListIndexesRequest* request,
    v1::ListIndexesResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
    return reactor;
  }
  for (const auto& follower : backend->watcher.followers()) {
    if (!request->database().empty() &&
        request->database() != follower->database()) {
      continue;
    }
    const std::shared_ptr<const DatabaseIndex> database = follower->index();
    if (database == nullptr) continue;
    for (const std::shared_ptr<Index>& index : database->indexes()) {
      EncodeIndex(*follower, *database, *index, *response->add_indexes());
    }
  }
  rpc::Finish(reactor, absl::OkStatus());
  return reactor;
}

grpc::ServerUnaryReactor* IndexService::WaitForPosition(
    grpc::CallbackServerContext* context,
    const v1::WaitForPositionRequest* request,
    v1::WaitForPositionResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  const absl::StatusOr<Position> position =
      Position::Parse(request->position());
  if (backend == nullptr || !position.ok()) {
    rpc::Finish(reactor,
                backend == nullptr
                    ? NotServingError()
                    : InvalidField("position", position.status().message()));
    return reactor;
  }
  const absl::Time deadline = backend->DeadlineOf(*context);
  backend->gate.FindDatabase(
      position->database, deadline,
      [=, position = *position](
          absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
        if (!follower.ok()) return rpc::Finish(reactor, follower.status());
        backend->gate.WaitFor(
            *follower, position, PositionWaiters::kAllIndexes, deadline,
            [=, backend = backend](const absl::Status& status) {
              if (status.ok()) response->set_position(position.ToString());
              rpc::Finish(reactor, status);
            });
      });
  return reactor;
}

grpc::ServerUnaryReactor* IndexService::VerifyIndex(
    grpc::CallbackServerContext* context, const v1::VerifyIndexRequest* request,
    v1::VerifyIndexResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr || request->collection().empty()) {
    rpc::Finish(reactor, backend == nullptr
                             ? NotServingError()
                             : InvalidField("collection",
                                            "is empty; name the collection"));
    return reactor;
  }
  const std::string database = request->database().empty()
                                   ? std::string(kDefaultDatabase)
                                   : request->database();
  backend->gate.FindDatabase(
      database, backend->DeadlineOf(*context),
      [=](absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
        rpc::Finish(reactor, follower.ok() ? StartVerify(backend, *follower,
                                                         *request, *response)
                                           : follower.status());
      });
  return reactor;
}

}  // namespace engram::search
