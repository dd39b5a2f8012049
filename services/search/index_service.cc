#include "services/search/index_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/index_rebuilder.h"
#include "services/search/index_verifier.h"
#include "services/search/index_view.h"
#include "services/search/operation_codec.h"
#include "services/search/operation_starter.h"
#include "services/search/query_decoder.h"
#include "services/search/recall_codec.h"

namespace engram::search {
namespace {

absl::Status StartVerify(const std::shared_ptr<SearchBackend>& backend,
                         const std::shared_ptr<FeedFollower>& follower,
                         const v1::VerifyIndexRequest& request,
                         v1::VerifyIndexResponse& response) {
  ASSIGN_OR_RETURN(
      const ReadyIndex ready,
      FindReadyIndex(*follower, request.collection(), request.vector_field()));
  ASSIGN_OR_RETURN(
      *response.mutable_operation(),
      StartOperation(
          *backend, "verify-index", "records",
          [backend = backend.get(), follower, collection = request.collection(),
           spec = ready.index->spec()](
              OperationHandle& operation) -> absl::StatusOr<OperationResult> {
            ASSIGN_OR_RETURN(const v1::VerifyIndexResult result,
                             IndexVerifier(*backend->feed, *follower,
                                           collection, spec, operation)
                                 .Run());
            return EncodeResult(result);
          }));
  return absl::OkStatus();
}

absl::Status StartRebuild(const std::shared_ptr<SearchBackend>& backend,
                          const std::shared_ptr<FeedFollower>& follower,
                          v1::RebuildIndexResponse& response) {
  // Before there are any, the first ones are being read.
  if (follower->index() == nullptr) return NotReadyError(*follower);
  std::shared_ptr<void> claim = follower->ClaimRebuild();
  if (claim == nullptr) {
    return absl::AbortedError(
        absl::StrCat("the indexes of database \"", follower->database(),
                     "\" are being rebuilt already; wait for that operation, "
                     "or cancel it"));
  }
  ASSIGN_OR_RETURN(
      *response.mutable_operation(),
      StartOperation(
          *backend, "rebuild-index", "records",
          [backend = backend.get(), follower, claim = std::move(claim)](
              OperationHandle& operation) -> absl::StatusOr<OperationResult> {
            IndexRebuilder rebuilder(*backend->feed, backend->timer,
                                     backend->metrics, backend->memory,
                                     backend->optimizer, *follower, operation);
            RETURN_IF_ERROR(rebuilder.Run());
            return OperationResult();
          }));
  return absl::OkStatus();
}

// Answers what is known here, and then asks storage how many records there are.
void GetIndexOf(const std::shared_ptr<SearchBackend>& backend,
                const FeedFollower& follower, absl::Time deadline,
                const v1::GetIndexRequest& request,
                v1::GetIndexResponse& response,
                absl::AnyInvocable<void(const absl::Status&)> done) {
  const absl::StatusOr<ReadyIndex> ready = FindIndex(follower, request);
  if (!ready.ok()) return done(ready.status());
  v1::Index& index = *response.mutable_index();
  const IndexStats stats = ready->index->Stats();
  EncodeIndex(follower, *ready->database, ready->index->spec(), stats, index);
  EncodeMemory(stats.memory, index.attribute_bytes(),
               *response.mutable_memory());
  EncodeRecall(ready->index->Recall(), response);
  if (index.state() != v1::Index::STATE_SERVING) return done(absl::OkStatus());
  storage::v1::GetCoverageRequest asked;
  asked.set_database(follower.database());
  asked.set_collection(index.collection());
  const absl::Time now = absl::Now();
  backend->calls.Run<storage::v1::GetCoverageResponse>(
      // Time is left to answer without it.
      now + (deadline - now) / 2, std::move(asked),
      [&](auto&&... arguments) {
        backend->vectors->async()->GetCoverage(
            std::forward<decltype(arguments)>(arguments)...);
      },
      // Keeps the backend until then.
      [backend, &response, done = std::move(done)](
          const absl::StatusOr<storage::v1::GetCoverageResponse>&
              coverage) mutable {
        if (absl::IsUnavailable(coverage.status()) ||
            absl::IsDeadlineExceeded(coverage.status())) {
          return done(absl::OkStatus());
        }
        if (!coverage.ok()) {
          return done(WithContext(coverage.status(), "count the records"));
        }
        *response.mutable_coverage() =
            EncodeCoverage(*coverage, response.index().vector_field(),
                           response.index().records());
        done(absl::OkStatus());
      });
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
      EncodeIndex(*follower, *database, index->spec(), index->Stats(),
                  *response->add_indexes());
    }
  }
  rpc::Finish(reactor, absl::OkStatus());
  return reactor;
}

grpc::ServerUnaryReactor* IndexService::GetIndex(
    grpc::CallbackServerContext* context, const v1::GetIndexRequest* request,
    v1::GetIndexResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr || request->collection().empty()) {
    rpc::Finish(reactor, backend == nullptr
                             ? NotServingError()
                             : InvalidField("collection",
                                            "is empty; name the collection"));
    return reactor;
  }
  const absl::Time deadline = backend->DeadlineOf(*context);
  backend->gate.FindDatabase(
      DatabaseOrDefault(request->database()), deadline,
      [=](absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
        if (!follower.ok()) return rpc::Finish(reactor, follower.status());
        GetIndexOf(backend, **follower, deadline, *request, *response,
                   [reactor](const absl::Status& status) {
                     rpc::Finish(reactor, status);
                   });
      });
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
  backend->gate.FindDatabase(
      DatabaseOrDefault(request->database()), backend->DeadlineOf(*context),
      [=](absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
        rpc::Finish(reactor, follower.ok() ? StartVerify(backend, *follower,
                                                         *request, *response)
                                           : follower.status());
      });
  return reactor;
}

grpc::ServerUnaryReactor* IndexService::RebuildIndex(
    grpc::CallbackServerContext* context,
    const v1::RebuildIndexRequest* request,
    v1::RebuildIndexResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
    return reactor;
  }
  backend->gate.FindDatabase(
      DatabaseOrDefault(request->database()), backend->DeadlineOf(*context),
      [=](absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
        rpc::Finish(reactor, follower.ok()
                                 ? StartRebuild(backend, *follower, *response)
                                 : follower.status());
      });
  return reactor;
}

}  // namespace engram::search
