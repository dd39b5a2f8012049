#ifndef ENGRAM_LIBS_METRICS_METRICS_SERVER_H_
#define ENGRAM_LIBS_METRICS_METRICS_SERVER_H_

#include <prometheus/collectable.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace engram::metrics {

// Serves a process's metrics over HTTP at `/metrics`, with those of the process
// itself (`process_*`, `engram_build_info`) added.
//
// Thread-safe.
class MetricsServer {
 public:
  // Listens on `address`, `host:port`; port 0 takes a free one. `Unavailable`
  // if it cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      const std::string& address, absl::string_view version);

  ~MetricsServer();

  // Families registered here are served for as long as this object lives.
  prometheus::Registry& registry() { return *registry_; }

  int port() const;

 private:
  MetricsServer();

  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<prometheus::Collectable> process_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace engram::metrics

#endif  // ENGRAM_LIBS_METRICS_METRICS_SERVER_H_
