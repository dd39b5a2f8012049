#include "libs/lifecycle/service_runner.h"

#include <pthread.h>
#include <signal.h>

#include <ctime>
#include <thread>

#include "libs/lifecycle/process.h"
#include "libs/log/log.h"
#include "libs/status/status_macros.h"

#ifndef ENGRAM_VERSION
#error "the build defines ENGRAM_VERSION"
#endif

namespace engram::lifecycle {
namespace {

// How often readiness is asked for until it is reached.
constexpr timespec kReadyPoll = {.tv_sec = 0, .tv_nsec = 20'000'000};

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Reports serving once `hosted` is ready, and waits for a signal all the while.
void ServeUntilSignal(const Hosted& hosted, GrpcEndpoint& endpoint) {
  const sigset_t signals = StopSignals();
  while (!hosted.IsReady()) {
    if (sigtimedwait(&signals, nullptr, &kReadyPoll) > 0) return;
  }
  endpoint.SetServing();
  log::Info("ready");
  int signal = 0;
  sigwait(&signals, &signal);
}

absl::Status Run(const ServerOptions& options,
                 const std::function<absl::StatusOr<std::unique_ptr<Hosted>>(
                     prometheus::Registry&)>& create) {
  RETURN_IF_ERROR(log::SetLevel(options.log_level));
  ConfigureProcess();
  ASSIGN_OR_RETURN(auto metrics, metrics::MetricsServer::Start(
                                     options.metrics_listen, ENGRAM_VERSION));
  ASSIGN_OR_RETURN(const auto hosted, create(metrics->registry()));
  ASSIGN_OR_RETURN(
      const auto endpoint,
      GrpcEndpoint::Start(options, metrics->registry(), hosted->services()));
  RETURN_IF_ERROR(hosted->Start(*endpoint));
  log::Info("listening", {{"address", options.listen},
                          {"port", endpoint->port()},
                          {"metrics_address", options.metrics_listen},
                          {"metrics_port", metrics->port()},
                          {"version", ENGRAM_VERSION}});
  ServeUntilSignal(*hosted, *endpoint);
  log::Info("stopping");
  // From here on a second signal ends the process: nobody blocks it.
  std::thread([signals = StopSignals()] {
    int signal = 0;
    sigwait(&signals, &signal);
    log::Warning("second signal: ending at once");
    _Exit(130);
  }).detach();
  endpoint->SetNotServing();
  hosted->Stop();
  endpoint->Shutdown(options.shutdown_grace);
  log::Info("stopped");
  // Left to the end of the process, which is next: stopping takes its HTTP
  // server two seconds.
  [[maybe_unused]] static auto* last = metrics.release();
  return absl::OkStatus();
}

}  // namespace

int RunUntilSignal(const ServerOptions& options,
                   const std::function<absl::StatusOr<std::unique_ptr<Hosted>>(
                       prometheus::Registry&)>& create) {
  // Before any thread starts, so that all of them leave the signals to us.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const absl::Status status = Run(options, create);
  if (status.ok()) return 0;
  log::Error("cannot run", {{"error", status}});
  return 1;
}

}  // namespace engram::lifecycle
