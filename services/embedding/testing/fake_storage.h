#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_FAKE_STORAGE_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_FAKE_STORAGE_H_

#include <grpcpp/server.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"

namespace engram::embedding::testing {

// A fake of the part of storage that embedding calls, in memory, behind a real
// gRPC server. What storage itself promises is tested there; this one shows
// when a call has come, fails on request, and ends leases when told to.
//
// Thread-safe.
class FakeStorage final : public storage::v1::VectorService::Service,
                          public storage::v1::CatalogService::Service {
 public:
  // Serves at `address`, such as `unix:/tmp/socket`.
  explicit FakeStorage(const std::string& address);
  ~FakeStorage() override;

  // Sets the text of the record `id`, to be embedded by the model
  // `fingerprint`.
  void WriteText(const std::string& id, const std::string& text,
                 const std::string& fingerprint = "fake/small@1");

  // Hands leased entries out again.
  void ExpireLeases();

  // Lets the next `count` calls of PutVectors end with `status`.
  void FailPuts(int count, absl::Status status);

  // Has the text of the record cut into its paragraphs, of some words each.
  void CutAtParagraphs(const std::string& id);

  // Lets others have an entry that is leased, as if its lease had ended.
  void TakeAway(const std::string& id);

  // The providers' words about texts that were refused for good, and of those
  // that are to be tried later, by the id of their record.
  std::map<std::string, std::string> refused() const;
  std::map<std::string, std::string> postponed() const;
  // How often leases were extended, and for what usage was reported.
  int extensions() const;
  storage::v1::EmbeddingUsage usage() const;

  // The vectors that were stored, by the id of their record.
  std::map<std::string, std::vector<float>> vectors() const;
  // The names of the models that were registered.
  std::vector<std::string> models() const;
  size_t largest_put_bytes() const;

  // Waits until a call of LeasePending waits for something to hand out.
  void AwaitLongPoll() const;
  // Waits until `count` records have vectors.
  void AwaitVectors(size_t count) const;

 private:
  struct Entry {
    storage::v1::OutboxEntry entry;
    bool is_leased = false;
    int64_t lease_id = 0;
  };

  grpc::Status LeasePending(
      grpc::ServerContext* context,
      const storage::v1::LeasePendingRequest* request,
      storage::v1::LeasePendingResponse* response) override;
  grpc::Status ExtendLease(grpc::ServerContext* context,
                           const storage::v1::ExtendLeaseRequest* request,
                           storage::v1::ExtendLeaseResponse* response) override;
  grpc::Status ReportFailure(
      grpc::ServerContext* context,
      const storage::v1::ReportFailureRequest* request,
      storage::v1::ReportFailureResponse* response) override;
  grpc::Status PutVectors(grpc::ServerContext* context,
                          const storage::v1::PutVectorsRequest* request,
                          storage::v1::PutVectorsResponse* response) override;
  grpc::Status RegisterModels(
      grpc::ServerContext* context,
      const storage::v1::RegisterModelsRequest* request,
      storage::v1::RegisterModelsResponse* response) override;

  void HandOut(const storage::v1::LeasePendingRequest& request,
               storage::v1::LeasePendingResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddUsage(const storage::v1::EmbeddingUsage& usage)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  // Wakes whoever waits for a change of what follows.
  mutable absl::CondVar changed_;
  int64_t last_entry_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, Entry> outbox_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<float>> vectors_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> refused_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> postponed_ ABSL_GUARDED_BY(mutex_);
  int extensions_ ABSL_GUARDED_BY(mutex_) = 0;
  storage::v1::EmbeddingUsage usage_ ABSL_GUARDED_BY(mutex_);
  int64_t last_lease_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> models_ ABSL_GUARDED_BY(mutex_);
  int puts_to_fail_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status put_failure_ ABSL_GUARDED_BY(mutex_);
  size_t largest_put_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t polls_ ABSL_GUARDED_BY(mutex_) = 0;

  std::unique_ptr<grpc::Server> server_;
};

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_FAKE_STORAGE_H_
