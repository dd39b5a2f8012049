#ifndef ENGRAM_SERVICES_EMBEDDING_STORAGE_CLIENT_H_
#define ENGRAM_SERVICES_EMBEDDING_STORAGE_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "services/embedding/availability_log.h"

namespace engram::embedding {

// What embedding asks of storage. Every call waits for its answer, has a
// deadline, and ends early at Shutdown, but for GiveBack.
//
// Thread-safe.
class StorageClient {
 public:
  explicit StorageClient(const std::shared_ptr<grpc::Channel>& storage);

  // Each returns storage's own error, or `Cancelled` once shut down.
  absl::StatusOr<storage::v1::RegisterModelsResponse> RegisterModels(
      const storage::v1::RegisterModelsRequest& request);
  absl::StatusOr<storage::v1::LeasePendingResponse> LeasePending(
      const storage::v1::LeasePendingRequest& request);
  absl::StatusOr<storage::v1::ExtendLeaseResponse> ExtendLease(
      const storage::v1::ExtendLeaseRequest& request);
  absl::StatusOr<storage::v1::PutVectorsResponse> PutVectors(
      const storage::v1::PutVectorsRequest& request);
  absl::StatusOr<storage::v1::ReportFailureResponse> ReportFailure(
      const storage::v1::ReportFailureRequest& request);
  absl::StatusOr<storage::v1::GetBacklogResponse> GetBacklog(
      const storage::v1::GetBacklogRequest& request);
  absl::StatusOr<storage::v1::SetPauseResponse> SetPause(
      const storage::v1::SetPauseRequest& request);
  absl::StatusOr<storage::v1::GetUsageResponse> GetUsage(
      const storage::v1::GetUsageRequest& request);
  absl::StatusOr<storage::v1::GetCollectionResponse> GetCollection(
      const storage::v1::GetCollectionRequest& request);
  absl::StatusOr<storage::v1::ListGenerationsResponse> ListGenerations(
      const storage::v1::ListGenerationsRequest& request);
  absl::StatusOr<storage::v1::GetVectorsResponse> GetVectors(
      const storage::v1::GetVectorsRequest& request);
  absl::StatusOr<storage::v1::RecordServiceListResponse> ListRecords(
      const storage::v1::RecordServiceListRequest& request);

  // Gives leased entries back, after Shutdown too, so that others need not wait
  // for the leases' end. Waits a second at most; an error is of no consequence.
  void GiveBack(const storage::v1::ExtendLeaseRequest& request);

  // How many calls have failed, for other reasons than that storage is busy.
  // Unchanged, the storage that answered before is most likely the one that
  // answers now; changed, it may be another, with other contents.
  int64_t failures() const { return failures_; }

  // Ends the calls that wait, and refuses all later ones. Repeating is safe.
  void Shutdown();
  bool is_shut_down() const { return shut_down_.HasBeenNotified(); }

  // Waits for `duration`, or until Shutdown.
  void Pause(absl::Duration duration) {
    shut_down_.WaitForNotificationWithTimeout(duration);
  }

 private:
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      Stub& stub, const Request& request, absl::Duration timeout);
  // Adds `context` to those that Shutdown cancels; `Cancelled` if it is too
  // late.
  absl::Status Enter(grpc::ClientContext* context);
  void Leave(grpc::ClientContext* context);

  const std::unique_ptr<storage::v1::CatalogService::Stub> catalog_;
  const std::unique_ptr<storage::v1::RecordService::Stub> records_;
  const std::unique_ptr<storage::v1::VectorService::Stub> vectors_;
  AvailabilityLog log_;
  std::atomic<int64_t> failures_ = 0;
  absl::Notification shut_down_;

  absl::Mutex mutex_;
  absl::flat_hash_set<grpc::ClientContext*> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_STORAGE_CLIENT_H_
