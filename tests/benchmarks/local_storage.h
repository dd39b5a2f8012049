#ifndef ENGRAM_TESTS_BENCHMARKS_LOCAL_STORAGE_H_
#define ENGRAM_TESTS_BENCHMARKS_LOCAL_STORAGE_H_

#include <grpcpp/channel.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "services/storage/storage_server.h"
#include "tests/benchmarks/hand_written_store.h"

namespace engram::benchmarks {

// How a request carries a note's fields.
enum class Body { kStruct, kTyped };

// The notes as one Write that creates them.
storage::v1::WriteRequest MakeRequest(absl::Span<const Note> notes, Body body);

// Declares the collection `notes`, with full text over `body` or without.
std::string NotesSchema(HandWrittenStore::FullText full_text);

// Applies `yaml` to the default database at `channel`.
void ApplySchema(const std::shared_ptr<grpc::Channel>& channel,
                 const std::string& yaml);

// Several connections to one server: one alone is bound by its one stream of
// frames.
class Clients {
 public:
  explicit Clients(const std::string& address);

  const std::shared_ptr<grpc::Channel>& channel(int client = 0) const {
    return channels_[client % channels_.size()];
  }
  // Those there are, for stubs of other services.
  const std::vector<std::shared_ptr<grpc::Channel>>& channels() const {
    return channels_;
  }

  // Begins a call of a client; `done` follows its success.
  void Write(int client, std::shared_ptr<storage::v1::WriteRequest> request,
             std::function<void()> done);
  void Get(int client,
           std::shared_ptr<storage::v1::RecordServiceGetRequest> request,
           std::function<void()> done);
  // An empty call of the same server, which only answers: its health.
  void Echo(int client, std::function<void()> done);

 private:
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<storage::v1::RecordService::Stub>> records_;
  std::vector<std::unique_ptr<grpc::health::v1::Health::Stub>> health_;
};

// A storage server as main() makes it, in this process, on a folder of its own,
// with the collection of notes.
class LocalStorage {
 public:
  explicit LocalStorage(HandWrittenStore::FullText full_text);
  ~LocalStorage();

  Clients& clients() { return *clients_; }
  // Where it listens, and a channel to it that takes no network.
  std::string address() const;
  std::shared_ptr<grpc::Channel> InProcessChannel() {
    return endpoint_->InProcessChannel();
  }
  // The default database's file.
  std::string DatabaseFile() const;

 private:
  engram::testing::TempDirectory directory_;
  prometheus::Registry registry_;
  std::unique_ptr<storage::StorageServer> server_;
  std::unique_ptr<lifecycle::GrpcEndpoint> endpoint_;
  std::unique_ptr<Clients> clients_;
};

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_LOCAL_STORAGE_H_
