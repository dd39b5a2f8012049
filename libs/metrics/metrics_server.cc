#include "libs/metrics/metrics_server.h"

#include <prometheus/exposer.h>
#include <prometheus/gauge.h>

#include <exception>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "libs/metrics/process_metrics.h"

namespace engram::metrics {

MetricsServer::MetricsServer()
    : registry_(std::make_shared<prometheus::Registry>()),
      process_(std::make_shared<ProcessMetrics>()) {}

MetricsServer::~MetricsServer() = default;

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& address, absl::string_view version) {
  auto server = absl::WrapUnique(new MetricsServer());
  prometheus::BuildGauge()
      .Name("engram_build_info")
      .Help("Always 1; the labels say what runs.")
      .Register(*server->registry_)
      .Add({{"version", std::string(version)}})
      .Set(1);
  try {
    // One thread scrapes; a second keeps a person with a browser from waiting.
    server->exposer_ = std::make_unique<prometheus::Exposer>(address, 2);
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve metrics on ", address, ": ", error.what(),
                     "; is the port taken? choose another --metrics-listen"));
  }
  server->exposer_->RegisterCollectable(server->registry_);
  server->exposer_->RegisterCollectable(server->process_);
  return server;
}

int MetricsServer::port() const {
  return exposer_->GetListeningPorts().front();
}

}  // namespace engram::metrics
