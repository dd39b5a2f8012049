#include "libs/lifecycle/grpc_endpoint.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/impl/server_initializer.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/metrics/grpc_metrics.h"

namespace engram::lifecycle {
namespace {

// Learns the names of the services that a server has: grpc::Service does not
// tell its own.
class ServiceNames : public grpc::ServerBuilderOption,
                     public grpc::ServerBuilderPlugin {
 public:
  explicit ServiceNames(std::vector<std::string>* names) : names_(names) {}

  std::string name() override { return "engram_service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* initializer) override {
    *names_ = *initializer->GetServiceList();
  }
  void ChangeArguments(const std::string&, void*) override {}

  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    plugins->push_back(std::make_unique<ServiceNames>(names_));
  }

 private:
  std::vector<std::string>* names_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcEndpoint>> GrpcEndpoint::Start(
    const ServerOptions& options, prometheus::Registry& registry,
    const std::vector<grpc::Service*>& services) {
  auto endpoint = absl::WrapUnique(new GrpcEndpoint());
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(),
                           &endpoint->port_);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  // Two servers on one port would share its calls; the second must fail.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetOption(std::make_unique<ServiceNames>(&endpoint->service_names_));
  std::vector<
      std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(metrics::MakeGrpcServerMetrics(registry));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(&endpoint->health_);
  endpoint->server_ = builder.BuildAndStart();
  if (endpoint->server_ == nullptr || endpoint->port_ == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.listen,
                     "; is the port taken? choose another --listen"));
  }
  endpoint->health_.Add("");
  for (const std::string& name : endpoint->service_names_) {
    // Reflection and health are always there: only ours can be not ready.
    if (absl::StartsWith(name, "engram.")) endpoint->health_.Add(name);
  }
  return endpoint;
}

GrpcEndpoint::~GrpcEndpoint() {
  health_.Stop();
  if (server_ != nullptr) Shutdown(absl::ZeroDuration());
}

std::shared_ptr<grpc::Channel> GrpcEndpoint::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return server_->InProcessChannel(arguments);
}

void GrpcEndpoint::SetServing() {
  health_.Set("", grpc::health::v1::HealthCheckResponse::SERVING);
  for (const std::string& name : service_names_) {
    if (absl::StartsWith(name, "engram.")) {
      health_.Set(name, grpc::health::v1::HealthCheckResponse::SERVING);
    }
  }
}

void GrpcEndpoint::SetNotServing() { health_.Stop(); }

void GrpcEndpoint::Shutdown(absl::Duration grace) {
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
}

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  // A peer that restarts is found again within a second, not gRPC's two
  // minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Snapshots come by the gigabyte: a window that holds several messages, and
  // reads that take one at once, make a stream half as fast again.
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 8 << 20);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_TCP_READ_CHUNK_SIZE, 1 << 20);
  arguments.SetInt(GRPC_ARG_TCP_MIN_READ_CHUNK_SIZE, 64 << 10);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace engram::lifecycle
