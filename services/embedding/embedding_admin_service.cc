#include "services/embedding/embedding_admin_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/embedding/generation_comparison.h"

namespace engram::embedding {
namespace {

using ::google::protobuf::util::TimeUtil;

// Returns a short text that no cache knows: what counts is whether the provider
// answers now.
std::string CheckedText() {
  return absl::StrCat("engram ", absl::ToUnixNanos(absl::Now()));
}

template <typename Request>
absl::StatusOr<storage::v1::SetPauseResponse> SetPause(StorageClient& storage,
                                                       const Request& request,
                                                       bool paused) {
  storage::v1::SetPauseRequest wanted;
  wanted.set_database(request.database());
  wanted.set_collection(request.collection());
  wanted.set_provider(request.provider());
  wanted.set_paused(paused);
  return storage.SetPause(wanted);
}

void Check(Provider& provider, v1::ProviderCheck* check) {
  check->set_model(provider.model().name);
  const std::string text = CheckedText();
  const absl::Time start = absl::Now();
  const auto embedded = provider.Embed({text}, Purpose::kQuery);
  *check->mutable_latency() = TimeUtil::MicrosecondsToDuration(
      absl::ToInt64Microseconds(absl::Now() - start));
  if (embedded.ok()) {
    check->set_tokens(embedded->front().tokens);
    return;
  }
  check->mutable_error()->set_code(static_cast<int>(embedded.status().code()));
  check->mutable_error()->set_message(std::string(embedded.status().message()));
}

// OK while the client waits.
absl::Status WantedBy(const grpc::CallbackServerContext& context) {
  return context.IsCancelled() ? absl::CancelledError("the client has gone")
                               : absl::OkStatus();
}

}  // namespace

template <typename Body>
grpc::ServerUnaryReactor* EmbeddingAdminService::AskStorage(
    grpc::CallbackServerContext* context, Body call) {
  return rpc::RunUnary(
      pool_, context, [this, call = std::move(call)]() -> absl::Status {
        StorageClient* const storage = storage_;
        if (storage == nullptr) {
          return absl::UnavailableError("embedding has not started yet");
        }
        return call(*storage);
      });
}

grpc::ServerUnaryReactor* EmbeddingAdminService::GetBacklog(
    grpc::CallbackServerContext* context, const v1::GetBacklogRequest* request,
    v1::GetBacklogResponse* response) {
  return AskStorage(context, [=](StorageClient& storage) -> absl::Status {
    storage::v1::GetBacklogRequest wanted;
    wanted.set_database(request->database());
    ASSIGN_OR_RETURN(storage::v1::GetBacklogResponse backlog,
                     storage.GetBacklog(wanted));
    response->mutable_fields()->Swap(backlog.mutable_fields());
    response->mutable_pauses()->Swap(backlog.mutable_pauses());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EmbeddingAdminService::Pause(
    grpc::CallbackServerContext* context, const v1::PauseRequest* request,
    v1::PauseResponse* response) {
  return AskStorage(context, [=](StorageClient& storage) -> absl::Status {
    ASSIGN_OR_RETURN(storage::v1::SetPauseResponse paused,
                     SetPause(storage, *request, true));
    response->mutable_pauses()->Swap(paused.mutable_pauses());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EmbeddingAdminService::Resume(
    grpc::CallbackServerContext* context, const v1::ResumeRequest* request,
    v1::ResumeResponse* response) {
  return AskStorage(context, [=](StorageClient& storage) -> absl::Status {
    ASSIGN_OR_RETURN(storage::v1::SetPauseResponse paused,
                     SetPause(storage, *request, false));
    response->mutable_pauses()->Swap(paused.mutable_pauses());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EmbeddingAdminService::GetUsage(
    grpc::CallbackServerContext* context, const v1::GetUsageRequest* request,
    v1::GetUsageResponse* response) {
  return AskStorage(context, [=](StorageClient& storage) -> absl::Status {
    storage::v1::GetUsageRequest wanted;
    wanted.set_database(request->database());
    if (request->has_start_time()) {
      *wanted.mutable_start_time() = request->start_time();
    }
    if (request->has_end_time()) {
      *wanted.mutable_end_time() = request->end_time();
    }
    if (request->has_interval()) {
      *wanted.mutable_interval() = request->interval();
    }
    ASSIGN_OR_RETURN(storage::v1::GetUsageResponse usage,
                     storage.GetUsage(wanted));
    response->mutable_rows()->Swap(usage.mutable_rows());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EmbeddingAdminService::CheckProvider(
    grpc::CallbackServerContext* context,
    const v1::CheckProviderRequest* request,
    v1::CheckProviderResponse* response) {
  return rpc::RunUnary(pool_, context, [=, this]() -> absl::Status {
    if (!request->model().empty()) {
      ASSIGN_OR_RETURN(Provider* const provider,
                       catalog_.Find(request->model()));
      Check(*provider, response->add_checks());
      return absl::OkStatus();
    }
    for (const auto& provider : catalog_.providers()) {
      Check(*provider, response->add_checks());
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EmbeddingAdminService::EstimateMigration(
    grpc::CallbackServerContext* context,
    const v1::EstimateMigrationRequest* request,
    v1::EstimateMigrationResponse* response) {
  return AskStorage(context, [=, this](StorageClient& storage) -> absl::Status {
    ASSIGN_OR_RETURN(*response, embedding::EstimateMigration(
                                    *request, catalog_, pace_, storage,
                                    rpc::DeadlineOf(*context),
                                    [&] { return WantedBy(*context); }));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EmbeddingAdminService::CompareGenerations(
    grpc::CallbackServerContext* context,
    const v1::CompareGenerationsRequest* request,
    v1::CompareGenerationsResponse* response) {
  return AskStorage(context, [=, this](StorageClient& storage) -> absl::Status {
    if (compares_.exchange(true)) {
      return MakeError(absl::StatusCode::kResourceExhausted,
                       common::v1::ERROR_REASON_OVERLOADED,
                       "another comparison is under way; retry later");
    }
    const absl::Cleanup ends = [this] { compares_ = false; };
    ASSIGN_OR_RETURN(*response,
                     embedding::CompareGenerations(
                         *request, catalog_, storage, rpc::DeadlineOf(*context),
                         [&] { return WantedBy(*context); }));
    return absl::OkStatus();
  });
}

}  // namespace engram::embedding
