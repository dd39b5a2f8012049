#include "services/embedding/storage_client.h"

#include "libs/rpc/deadline.h"
#include "libs/status/grpc_status.h"
#include "libs/status/status_macros.h"

namespace engram::embedding {
namespace {

// Beyond this, a storage that has not answered counts as down.
constexpr absl::Duration kTimeout = absl::Seconds(30);
constexpr absl::Duration kGiveBackTimeout = absl::Seconds(1);

}  // namespace

StorageClient::StorageClient(const std::shared_ptr<grpc::Channel>& storage)
    : catalog_(storage::v1::CatalogService::NewStub(storage)),
      records_(storage::v1::RecordService::NewStub(storage)),
      vectors_(storage::v1::VectorService::NewStub(storage)),
      log_("storage") {}

absl::StatusOr<storage::v1::RegisterModelsResponse>
StorageClient::RegisterModels(
    const storage::v1::RegisterModelsRequest& request) {
  return Call(&storage::v1::CatalogService::Stub::RegisterModels, *catalog_,
              request, kTimeout);
}

absl::StatusOr<storage::v1::LeasePendingResponse> StorageClient::LeasePending(
    const storage::v1::LeasePendingRequest& request) {
  return Call(&storage::v1::VectorService::Stub::LeasePending, *vectors_,
              request, absl::Seconds(request.wait().seconds()) + kTimeout);
}

absl::StatusOr<storage::v1::ExtendLeaseResponse> StorageClient::ExtendLease(
    const storage::v1::ExtendLeaseRequest& request) {
  return Call(&storage::v1::VectorService::Stub::ExtendLease, *vectors_,
              request, kTimeout);
}

absl::StatusOr<storage::v1::PutVectorsResponse> StorageClient::PutVectors(
    const storage::v1::PutVectorsRequest& request) {
  return Call(&storage::v1::VectorService::Stub::PutVectors, *vectors_, request,
              kTimeout);
}

absl::StatusOr<storage::v1::ReportFailureResponse> StorageClient::ReportFailure(
    const storage::v1::ReportFailureRequest& request) {
  return Call(&storage::v1::VectorService::Stub::ReportFailure, *vectors_,
              request, kTimeout);
}

absl::StatusOr<storage::v1::GetBacklogResponse> StorageClient::GetBacklog(
    const storage::v1::GetBacklogRequest& request) {
  return Call(&storage::v1::VectorService::Stub::GetBacklog, *vectors_, request,
              kTimeout);
}

absl::StatusOr<storage::v1::SetPauseResponse> StorageClient::SetPause(
    const storage::v1::SetPauseRequest& request) {
  return Call(&storage::v1::VectorService::Stub::SetPause, *vectors_, request,
              kTimeout);
}

absl::StatusOr<storage::v1::GetUsageResponse> StorageClient::GetUsage(
    const storage::v1::GetUsageRequest& request) {
  return Call(&storage::v1::VectorService::Stub::GetUsage, *vectors_, request,
              kTimeout);
}

absl::StatusOr<storage::v1::GetCollectionResponse> StorageClient::GetCollection(
    const storage::v1::GetCollectionRequest& request) {
  return Call(&storage::v1::CatalogService::Stub::GetCollection, *catalog_,
              request, kTimeout);
}

absl::StatusOr<storage::v1::ListGenerationsResponse>
StorageClient::ListGenerations(
    const storage::v1::ListGenerationsRequest& request) {
  return Call(&storage::v1::CatalogService::Stub::ListGenerations, *catalog_,
              request, kTimeout);
}

absl::StatusOr<storage::v1::GetVectorsResponse> StorageClient::GetVectors(
    const storage::v1::GetVectorsRequest& request) {
  return Call(&storage::v1::VectorService::Stub::GetVectors, *vectors_, request,
              kTimeout);
}

absl::StatusOr<storage::v1::RecordServiceListResponse>
StorageClient::ListRecords(
    const storage::v1::RecordServiceListRequest& request) {
  return Call(&storage::v1::RecordService::Stub::List, *records_, request,
              kTimeout);
}

void StorageClient::GiveBack(const storage::v1::ExtendLeaseRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(rpc::DeadlineIn(kGiveBackTimeout));
  storage::v1::ExtendLeaseResponse response;
  (void)vectors_->ExtendLease(&context, request, &response);
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> StorageClient::Call(
    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                 Response*),
    Stub& stub, const Request& request, absl::Duration timeout) {
  grpc::ClientContext context;
  context.set_deadline(rpc::DeadlineIn(timeout));
  RETURN_IF_ERROR(Enter(&context));
  Response response;
  const absl::Status status =
      FromGrpcStatus((stub.*method)(&context, request, &response));
  Leave(&context);
  if (is_shut_down()) return absl::CancelledError("embedding stops");
  // A storage that is only busy works, and so does one that refuses a request.
  const bool works = status.ok() || absl::IsResourceExhausted(status) ||
                     absl::IsInvalidArgument(status) ||
                     absl::IsNotFound(status);
  log_.Report(works ? absl::OkStatus() : status);
  if (!works) ++failures_;
  if (!status.ok()) return status;
  return response;
}

absl::Status StorageClient::Enter(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  if (is_shut_down()) return absl::CancelledError("embedding stops");
  waiting_.insert(context);
  return absl::OkStatus();
}

void StorageClient::Leave(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  waiting_.erase(context);
}

void StorageClient::Shutdown() {
  absl::MutexLock lock(&mutex_);
  if (is_shut_down()) return;
  shut_down_.Notify();
  for (grpc::ClientContext* const context : waiting_) context->TryCancel();
}

}  // namespace engram::embedding
