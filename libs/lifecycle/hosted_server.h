#ifndef ENGRAM_LIBS_LIFECYCLE_HOSTED_SERVER_H_
#define ENGRAM_LIBS_LIFECYCLE_HOSTED_SERVER_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/lifecycle/server_options.h"
#include "libs/lifecycle/service_runner.h"
#include "libs/status/status_macros.h"

namespace engram::lifecycle {

// A binary that serves one server and nothing else.
template <typename Server>
class HostedServer : public Hosted {
 public:
  // `start` starts the server with the peers that the binary gives it.
  HostedServer(std::unique_ptr<Server> server,
               std::function<absl::Status(Server&)> start)
      : server_(std::move(server)), start_(std::move(start)) {}

  std::vector<grpc::Service*> services() override {
    return server_->services();
  }
  absl::Status Start(GrpcEndpoint&) override { return start_(*server_); }
  bool IsReady() const override { return server_->IsReady(); }
  void Stop() override { server_->Stop(); }

 private:
  const std::unique_ptr<Server> server_;
  const std::function<absl::Status(Server&)> start_;
};

// Runs a binary that serves one server, made from `options`, until a signal;
// see RunUntilSignal.
template <typename Server, typename Options>
int RunServer(const ServerOptions& server_options, const Options& options,
              const std::function<absl::Status(Server&)>& start) {
  return RunUntilSignal(
      server_options,
      [&](prometheus::Registry& registry)
          -> absl::StatusOr<std::unique_ptr<Hosted>> {
        ASSIGN_OR_RETURN(auto server, Server::Create(options, registry));
        return std::make_unique<HostedServer<Server>>(std::move(server), start);
      });
}

}  // namespace engram::lifecycle

#endif  // ENGRAM_LIBS_LIFECYCLE_HOSTED_SERVER_H_
