// engram-storage: records, vectors and their changes, on SQLite.

#include "libs/config/flags.h"
#include "libs/lifecycle/hosted_server.h"
#include "libs/lifecycle/server_options.h"
#include "libs/status/status_macros.h"
#include "services/storage/storage_options.h"
#include "services/storage/storage_server.h"

using engram::storage::StorageServer;

int main(int argc, char** argv) {
  engram::lifecycle::ServerOptions server_options{
      .listen = "127.0.0.1:7701", .metrics_listen = "127.0.0.1:9701"};
  engram::storage::StorageOptions options;
  engram::config::Flags flags(
      "engram-storage",
      "Engram's storage service: records, vectors and their "
      "changes, on SQLite.");
  server_options.Declare(flags);
  options.Declare(flags);
  const auto exit_code = flags.Parse(argc, argv, [&] {
    RETURN_IF_ERROR(server_options.Validate());
    return options.Validate();
  });
  if (exit_code.has_value()) return *exit_code;

  return engram::lifecycle::RunServer<StorageServer>(
      server_options, options,
      [](StorageServer& storage) { return storage.Start(); });
}
