#ifndef ENGRAM_LIBS_LIFECYCLE_SERVICE_RUNNER_H_
#define ENGRAM_LIBS_LIFECYCLE_SERVICE_RUNNER_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "libs/lifecycle/server_options.h"
#include "libs/metrics/metrics_server.h"

namespace engram::lifecycle {

// What a binary serves: one or more of Engram's services.
class Hosted {
 public:
  virtual ~Hosted() = default;

  // The gRPC services, to be registered before Start.
  virtual std::vector<grpc::Service*> services() = 0;

  // Begins the work behind the services. `endpoint` is running by then, so that
  // services of one process can call each other through it.
  virtual absl::Status Start(GrpcEndpoint& endpoint) = 0;

  // Whether the services can do their work. Asked for until it is true once.
  virtual bool IsReady() const = 0;

  // Ends streams, long polls and loops, saves, closes. Calls that come later
  // may fail but must be safe.
  virtual void Stop() = 0;
};

// Runs a server until SIGTERM or SIGINT and returns the process's exit code.
//
// Starts in order: metrics, what `create` makes, gRPC. Stops in reverse:
// reports not-serving, ends the services' work, drains calls for
// `options.shutdown_grace`, and metrics last, so that the stop is visible. A
// second signal ends the process at once.
int RunUntilSignal(const ServerOptions& options,
                   const std::function<absl::StatusOr<std::unique_ptr<Hosted>>(
                       prometheus::Registry&)>& create);

}  // namespace engram::lifecycle

#endif  // ENGRAM_LIBS_LIFECYCLE_SERVICE_RUNNER_H_
