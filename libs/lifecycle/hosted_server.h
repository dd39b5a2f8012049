#ifndef ENGRAM_LIBS_LIFECYCLE_HOSTED_SERVER_H_
#define ENGRAM_LIBS_LIFECYCLE_HOSTED_SERVER_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/lifecycle/service_runner.h"

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

}  // namespace engram::lifecycle

#endif  // ENGRAM_LIBS_LIFECYCLE_HOSTED_SERVER_H_
