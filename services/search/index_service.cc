#include "services/search/index_service.h"

#include <memory>
#include <utility>

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
#include "services/search/recall_codec.h"
#include "services/search/started_call.h"

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

void ListIndexesOf(const SearchBackend& backend,
                   const v1::ListIndexesRequest& request,
                   v1::ListIndexesResponse& response) {
  for (const auto& follower : backend.watcher.followers()) {
    if (!request.database().empty() &&
        request.database() != follower->database()) {
      continue;
    }
    const std::shared_ptr<const DatabaseIndex> database = follower->index();
    if (database == nullptr) continue;
    for (const std::shared_ptr<Index>& index : database->indexes()) {
      EncodeIndex(*follower, *database, index->spec(), index->Stats(),
                  *response.add_indexes());
    }
  }
}

// The records that storage counts; it can be done without.
absl::Status AddCoverage(
    const absl::StatusOr<storage::v1::GetCoverageResponse>& coverage,
    v1::GetIndexResponse& response) {
  if (absl::IsUnavailable(coverage.status()) ||
      absl::IsDeadlineExceeded(coverage.status())) {
    return absl::OkStatus();
  }
  if (!coverage.ok()) {
    return WithContext(coverage.status(), "count the records");
  }
  *response.mutable_coverage() = EncodeCoverage(
      *coverage, response.index().vector_field(), response.index().records());
  return absl::OkStatus();
}

// Answers what is known here, and then asks storage how many records there are.
void GetIndexOf(const DatabaseCall& call, const v1::GetIndexRequest& request,
                v1::GetIndexResponse& response) {
  const FeedFollower& follower = *call.follower;
  const absl::StatusOr<ReadyIndex> ready = FindIndex(follower, request);
  if (!ready.ok()) return rpc::Finish(call.reactor, ready.status());
  v1::Index& index = *response.mutable_index();
  const IndexStats stats = ready->index->Stats();
  EncodeIndex(follower, *ready->database, ready->index->spec(), stats, index);
  EncodeMemory(stats.memory, index.attribute_bytes(),
               *response.mutable_memory());
  EncodeRecall(ready->index->Recall(), response);
  if (index.state() != v1::Index::STATE_SERVING) {
    return rpc::Finish(call.reactor, absl::OkStatus());
  }
  storage::v1::GetCoverageRequest asked;
  asked.set_database(follower.database());
  asked.set_collection(index.collection());
  const absl::Time now = absl::Now();
  call.backend->calls.Run<storage::v1::GetCoverageResponse>(
      // Time is left to answer without it.
      now + (call.deadline - now) / 2, std::move(asked),
      [&](auto&&... arguments) {
        call.backend->vectors->async()->GetCoverage(
            std::forward<decltype(arguments)>(arguments)...);
      },
      // Keeps the backend until then.
      [backend = call.backend, reactor = call.reactor, &response](
          const absl::StatusOr<storage::v1::GetCoverageResponse>& coverage) {
        rpc::Finish(reactor, AddCoverage(coverage, response));
      });
}

}  // namespace

grpc::ServerUnaryReactor* IndexService::ListIndexes(
    grpc::CallbackServerContext* context, const v1::ListIndexesRequest* request,
    v1::ListIndexesResponse* response) {
  return StartCall(slot_, context,
                   [=](const std::shared_ptr<SearchBackend>& backend,
                       grpc::ServerUnaryReactor* reactor) {
                     ListIndexesOf(*backend, *request, *response);
                     rpc::Finish(reactor, absl::OkStatus());
                   });
}

grpc::ServerUnaryReactor* IndexService::GetIndex(
    grpc::CallbackServerContext* context, const v1::GetIndexRequest* request,
    v1::GetIndexResponse* response) {
  return StartDatabaseCall(
      slot_, context, CheckCollection(request->collection()),
      request->database(),
      [=](const DatabaseCall& call) { GetIndexOf(call, *request, *response); });
}

grpc::ServerUnaryReactor* IndexService::WaitForPosition(
    grpc::CallbackServerContext* context,
    const v1::WaitForPositionRequest* request,
    v1::WaitForPositionResponse* response) {
  const absl::StatusOr<Position> parsed = Position::Parse(request->position());
  const Position position = parsed.value_or(Position());
  return StartDatabaseCall(
      slot_, context,
      parsed.ok() ? absl::OkStatus()
                  : InvalidField("position", parsed.status().message()),
      position.database, [=](const DatabaseCall& call) {
        call.backend->gate.WaitFor(
            call.follower, position, PositionWaiters::kAllIndexes,
            call.deadline,
            [=, backend = call.backend,
             reactor = call.reactor](const absl::Status& status) {
              if (status.ok()) response->set_position(position.ToString());
              rpc::Finish(reactor, status);
            });
      });
}

grpc::ServerUnaryReactor* IndexService::VerifyIndex(
    grpc::CallbackServerContext* context, const v1::VerifyIndexRequest* request,
    v1::VerifyIndexResponse* response) {
  return StartDatabaseCall(
      slot_, context, CheckCollection(request->collection()),
      request->database(), [=](const DatabaseCall& call) {
        rpc::Finish(call.reactor, StartVerify(call.backend, call.follower,
                                              *request, *response));
      });
}

grpc::ServerUnaryReactor* IndexService::RebuildIndex(
    grpc::CallbackServerContext* context,
    const v1::RebuildIndexRequest* request,
    v1::RebuildIndexResponse* response) {
  return StartDatabaseCall(
      slot_, context, absl::OkStatus(), request->database(),
      [=](const DatabaseCall& call) {
        rpc::Finish(call.reactor,
                    StartRebuild(call.backend, call.follower, *response));
      });
}

}  // namespace engram::search
