// engram-embedding: turns text into vectors, for storage and for queries.

#include <string>

#include "libs/config/flags.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "libs/lifecycle/hosted_server.h"
#include "libs/lifecycle/server_options.h"
#include "libs/status/status_macros.h"
#include "services/embedding/embedding_options.h"
#include "services/embedding/embedding_server.h"

using engram::embedding::EmbeddingServer;
using engram::lifecycle::ConnectTo;

int main(int argc, char** argv) {
  engram::lifecycle::ServerOptions server_options{
      .listen = "127.0.0.1:7702", .metrics_listen = "127.0.0.1:9702"};
  engram::embedding::EmbeddingOptions options;
  std::string storage_address = "127.0.0.1:7701";
  engram::config::Flags flags(
      "engram-embedding",
      "Engram's embedding service: turns text into vectors.");
  server_options.Declare(flags);
  flags.Add("storage-address", &storage_address,
            "Address of engram-storage, host:port");
  options.Declare(flags);
  const auto exit_code = flags.Parse(argc, argv, [&] {
    RETURN_IF_ERROR(server_options.Validate());
    return options.Validate();
  });
  if (exit_code.has_value()) return *exit_code;

  return engram::lifecycle::RunServer<EmbeddingServer>(
      server_options, options, [&](EmbeddingServer& embedding) {
        return embedding.Start({.storage = ConnectTo(storage_address)});
      });
}
