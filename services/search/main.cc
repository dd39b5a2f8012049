// engram-search: finds records by meaning, in indexes rebuilt from storage.

#include <string>

#include "libs/config/flags.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "libs/lifecycle/hosted_server.h"
#include "libs/lifecycle/server_options.h"
#include "libs/status/status_macros.h"
#include "services/search/search_options.h"
#include "services/search/search_server.h"

using engram::lifecycle::ConnectTo;
using engram::search::SearchServer;

int main(int argc, char** argv) {
  engram::lifecycle::ServerOptions server_options{
      .listen = "127.0.0.1:7703", .metrics_listen = "127.0.0.1:9703"};
  engram::search::SearchOptions options;
  std::string storage_address = "127.0.0.1:7701";
  std::string embedding_address = "127.0.0.1:7702";
  engram::config::Flags flags("engram-search",
                              "Engram's search service: finds records by "
                              "meaning, in indexes rebuilt from storage.");
  server_options.Declare(flags);
  flags.Add("storage-address", &storage_address,
            "Address of engram-storage, host:port");
  flags.Add("embedding-address", &embedding_address,
            "Address of engram-embedding, host:port");
  options.Declare(flags);
  const auto exit_code = flags.Parse(argc, argv, [&] {
    RETURN_IF_ERROR(server_options.Validate());
    return options.Validate();
  });
  if (exit_code.has_value()) return *exit_code;

  return engram::lifecycle::RunServer<SearchServer>(
      server_options, options, [&](SearchServer& search) {
        return search.Start({.storage = ConnectTo(storage_address),
                             .embedding = ConnectTo(embedding_address)});
      });
}
