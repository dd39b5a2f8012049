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
  };

  grpc::Status LeasePending(
      grpc::ServerContext* context,
      const storage::v1::LeasePendingRequest* request,
      storage::v1::LeasePendingResponse* response) override;
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

  mutable absl::Mutex mutex_;
  // Wakes whoever waits for a change of what follows.
  mutable absl::CondVar changed_;
  int64_t last_entry_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, Entry> outbox_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<float>> vectors_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> models_ ABSL_GUARDED_BY(mutex_);
  int puts_to_fail_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status put_failure_ ABSL_GUARDED_BY(mutex_);
  size_t largest_put_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t polls_ ABSL_GUARDED_BY(mutex_) = 0;

  std::unique_ptr<grpc::Server> server_;
};

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_FAKE_STORAGE_H_
