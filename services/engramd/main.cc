// engramd: the three services in one process, nothing more.

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "libs/config/flags.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "libs/lifecycle/server_options.h"
#include "libs/lifecycle/service_runner.h"
#include "libs/status/status_macros.h"
#include "services/embedding/embedding_options.h"
#include "services/embedding/embedding_server.h"
#include "services/search/search_options.h"
#include "services/search/search_server.h"
#include "services/storage/storage_options.h"
#include "services/storage/storage_server.h"

namespace engram {
namespace {

using lifecycle::GrpcEndpoint;
using lifecycle::Hosted;

// Where the services keep their parts of the one directory.
constexpr const char* kStorageFolder = "/storage";
constexpr const char* kSearchFolder = "/search";

struct EngramdOptions {
  lifecycle::ServerOptions server{.listen = "127.0.0.1:7700",
                                  .metrics_listen = "127.0.0.1:9700"};
  // Whether to keep nothing: the directory is a temporary one, removed at the
  // end.
  bool ephemeral = false;
  storage::StorageOptions storage;
  embedding::EmbeddingOptions embedding;
  search::SearchOptions search;

  EngramdOptions() {
    // The one directory, until Within divides it.
    storage.data_dir = "engram-data";
    search.cache_dir = "";
  }

  void Declare(config::Flags& flags) {
    server.Declare(flags);
    flags.Add("ephemeral", &ephemeral,
              "Keep nothing: use a temporary directory, removed at the end, "
              "instead of data-dir");
    storage.Declare(flags);
    embedding.Declare(flags);
    search.Declare(flags);
  }

  // Returns these options with everything inside `directory`.
  EngramdOptions Within(const std::string& directory) const {
    EngramdOptions options = *this;
    options.storage.data_dir = directory + kStorageFolder;
    if (search.cache_dir.empty()) {
      options.search.cache_dir = directory + kSearchFolder;
    }
    return options;
  }

  absl::Status Validate() const {
    RETURN_IF_ERROR(server.Validate());
    RETURN_IF_ERROR(storage.Validate());
    RETURN_IF_ERROR(embedding.Validate());
    return Within(storage.data_dir).search.Validate();
  }
};

// A directory of its own for an engramd that keeps nothing.
std::string TemporaryDirectory() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "engramd-XXXXXX").string();
  return mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
}

class Engramd : public Hosted {
 public:
  static absl::StatusOr<std::unique_ptr<Hosted>> Create(
      const EngramdOptions& options, prometheus::Registry& registry) {
    auto engramd = std::make_unique<Engramd>();
    ASSIGN_OR_RETURN(engramd->storage_,
                     storage::StorageServer::Create(options.storage, registry));
    ASSIGN_OR_RETURN(engramd->embedding_, embedding::EmbeddingServer::Create(
                                              options.embedding, registry));
    ASSIGN_OR_RETURN(engramd->search_,
                     search::SearchServer::Create(options.search, registry));
    return engramd;
  }

  std::vector<grpc::Service*> services() override {
    std::vector<grpc::Service*> all = storage_->services();
    for (grpc::Service* service : embedding_->services())
      all.push_back(service);
    for (grpc::Service* service : search_->services()) all.push_back(service);
    return all;
  }

  absl::Status Start(GrpcEndpoint& endpoint) override {
    const auto self = endpoint.InProcessChannel();
    RETURN_IF_ERROR(storage_->Start());
    RETURN_IF_ERROR(embedding_->Start({.storage = self}));
    return search_->Start({.storage = self, .embedding = self});
  }

  bool IsReady() const override {
    return storage_->IsReady() && embedding_->IsReady() && search_->IsReady();
  }

  void Stop() override {
    search_->Stop();
    embedding_->Stop();
    storage_->Stop();
  }

 private:
  std::unique_ptr<storage::StorageServer> storage_;
  std::unique_ptr<embedding::EmbeddingServer> embedding_;
  std::unique_ptr<search::SearchServer> search_;
};

}  // namespace
}  // namespace engram

int main(int argc, char** argv) {
  engram::EngramdOptions options;
  engram::config::Flags flags(
      "engramd",
      "Engram's storage, embedding and search services in one process.");
  options.Declare(flags);
  const auto exit_code =
      flags.Parse(argc, argv, [&] { return options.Validate(); });
  if (exit_code.has_value()) return *exit_code;

  const std::string directory = options.ephemeral ? engram::TemporaryDirectory()
                                                  : options.storage.data_dir;
  const engram::EngramdOptions divided = options.Within(directory);
  const int result = engram::lifecycle::RunUntilSignal(
      options.server, [&](prometheus::Registry& registry) {
        return engram::Engramd::Create(divided, registry);
      });
  if (options.ephemeral) std::filesystem::remove_all(directory);
  return result;
}
