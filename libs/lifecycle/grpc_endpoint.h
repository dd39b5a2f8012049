#ifndef ENGRAM_LIBS_LIFECYCLE_GRPC_ENDPOINT_H_
#define ENGRAM_LIBS_LIFECYCLE_GRPC_ENDPOINT_H_

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/lifecycle/health_service.h"
#include "libs/lifecycle/server_options.h"

namespace engram::lifecycle {

// A gRPC server with what all of ours have: health, reflection, metrics.
//
// Thread-safe.
class GrpcEndpoint {
 public:
  // Listens on `options.listen`. `Unavailable` if it cannot be bound.
  // `services` and `registry` must outlive this object.
  static absl::StatusOr<std::unique_ptr<GrpcEndpoint>> Start(
      const ServerOptions& options, prometheus::Registry& registry,
      const std::vector<grpc::Service*>& services);

  ~GrpcEndpoint();

  // Connects to this server without a socket.
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // Reports every service, and the server, as serving.
  void SetServing();

  // Reports not-serving, and lets the calls under way go on. Ends the streams
  // of the health service.
  void SetNotServing();

  // Refuses new calls, waits up to `grace` for those under way, then cancels
  // them.
  void Shutdown(absl::Duration grace);

  int port() const { return port_; }

 private:
  GrpcEndpoint() = default;

  HealthService health_;
  std::vector<std::string> service_names_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// Connects to another service. Connecting is lazy and goes on for ever; calls
// meanwhile end with `Unavailable`.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address);

}  // namespace engram::lifecycle

#endif  // ENGRAM_LIBS_LIFECYCLE_GRPC_ENDPOINT_H_
