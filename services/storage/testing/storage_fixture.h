#ifndef ENGRAM_SERVICES_STORAGE_TESTING_STORAGE_FIXTURE_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_STORAGE_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/common/v1/model.pb.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/database.grpc.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "libs/clock/clock.h"
#include "libs/sqlite/testing/temp_directory.h"

namespace engram::storage {

class StorageServer;

namespace testing {

// A real storage server in this process, on a folder of its own, called over an
// in-process channel. The verbs below serve the common cases; the stubs reach
// everything.
class TestStorage {
 public:
  // Starts it. Aborts if that fails. `clock` must outlive this object.
  explicit TestStorage(const Clock& clock = Clock::Real());
  ~TestStorage();

  // Stops the server, gracefully, and starts it again on the same folder.
  // Channels and stubs from before are of no use afterwards.
  void Restart();
  // The same, with `while_stopped` in between, which may change the folder.
  void Restart(absl::FunctionRef<void()> while_stopped);

  std::shared_ptr<grpc::Channel> channel() const { return channel_; }
  // Where it listens too, the same after a Restart: for clients that are to
  // live through one.
  std::string address() const;
  // Includers that need more of it than RunOnce include storage_server.h.
  StorageServer& server() { return *server_; }
  // Does what is due by the clock.
  void RunOnce();
  prometheus::Registry& metrics() { return *metrics_; }
  const std::string& data_dir() const { return directory_.path(); }
  // The default database's file.
  std::string DatabaseFile() const;

  v1::DatabaseService::Stub& databases() { return *databases_; }
  v1::CatalogService::Stub& catalog() { return *catalog_; }
  v1::RecordService::Stub& records() { return *records_; }
  v1::VectorService::Stub& vectors() { return *vectors_; }
  v1::FeedService::Stub& feed() { return *feed_; }

  // Registers one model, as the default.
  absl::Status RegisterModel(const std::string& name,
                             const std::string& fingerprint, int dimensions);

  // Creates collections, one a document.
  absl::StatusOr<v1::ApplySchemaResponse> ApplySchema(
      const std::vector<std::string>& documents,
      const std::string& database = "");

  // Upserts one record whose fields are given as JSON, such as
  // R"({"title": "a"})". Returns the response.
  absl::StatusOr<v1::WriteResponse> Upsert(const std::string& collection,
                                           const std::string& id,
                                           const std::string& fields_json);
  absl::StatusOr<v1::WriteResponse> Delete(const std::string& collection,
                                           const std::string& id);
  absl::StatusOr<v1::WriteResponse> Write(const v1::WriteRequest& request);

  absl::StatusOr<v1::Record> Get(const std::string& collection,
                                 const std::string& id);

  // Leases what is pending for a fingerprint, without waiting.
  absl::StatusOr<v1::LeasePendingResponse> Lease(const std::string& fingerprint,
                                                 int max_entries = 0);

  // Answers one leased entry with one vector a chunk.
  absl::StatusOr<v1::PutResult> Put(
      const v1::OutboxEntry& entry,
      const std::vector<std::vector<float>>& chunks);

  absl::StatusOr<v1::GetCoverageResponse> Coverage(
      const std::string& collection);

 private:
  void Start();
  void Shutdown();

  const Clock& clock_;
  const engram::testing::TempDirectory directory_;
  std::unique_ptr<prometheus::Registry> metrics_;
  std::unique_ptr<StorageServer> server_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::DatabaseService::Stub> databases_;
  std::unique_ptr<v1::CatalogService::Stub> catalog_;
  std::unique_ptr<v1::RecordService::Stub> records_;
  std::unique_ptr<v1::VectorService::Stub> vectors_;
  std::unique_ptr<v1::FeedService::Stub> feed_;
};

// Packs a vector as the API carries it.
std::string PackVector(const std::vector<float>& values);
std::vector<float> UnpackVector(const std::string& bytes);

// Reads a Struct from JSON. Aborts if it is none.
google::protobuf::Struct ParseFields(const std::string& json);

}  // namespace testing
}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_STORAGE_FIXTURE_H_
