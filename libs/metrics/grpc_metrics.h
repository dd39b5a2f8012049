#ifndef ENGRAM_LIBS_METRICS_GRPC_METRICS_H_
#define ENGRAM_LIBS_METRICS_GRPC_METRICS_H_

#include <grpcpp/support/server_interceptor.h>
#include <prometheus/registry.h>

#include <memory>

namespace engram::metrics {

// Returns an interceptor that counts and times every call of a server, under
// the names that gRPC's Prometheus libraries share:
// `grpc_server_started_total`, `grpc_server_handled_total` (by `grpc_code`) and
// `grpc_server_handling_seconds`, by `grpc_type`, `grpc_service` and
// `grpc_method`.
//
// `registry` must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeGrpcServerMetrics(prometheus::Registry& registry);

}  // namespace engram::metrics

#endif  // ENGRAM_LIBS_METRICS_GRPC_METRICS_H_
