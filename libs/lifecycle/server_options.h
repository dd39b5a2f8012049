#ifndef ENGRAM_LIBS_LIFECYCLE_SERVER_OPTIONS_H_
#define ENGRAM_LIBS_LIFECYCLE_SERVER_OPTIONS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace engram::config {
class Flags;
}  // namespace engram::config

namespace engram::lifecycle {

// The settings that every server has.
struct ServerOptions {
  // Where gRPC listens, `host:port`.
  std::string listen;
  // Where Prometheus finds /metrics, `host:port`.
  std::string metrics_listen;
  // Whether `listen` may be another address than loopback, though nothing
  // there is encrypted or authenticated.
  bool allow_plaintext = false;
  // The largest message taken, in bytes. Larger ones cost memory: one message a
  // call may be held at a time.
  int max_message_bytes = 4 * 1024 * 1024;
  // How long a stop waits for calls to end before it cancels them. Longer stops
  // are kinder to clients and slower.
  absl::Duration shutdown_grace = absl::Seconds(10);
  // The least level that is logged.
  std::string log_level = "info";

  void Declare(config::Flags& flags);
  absl::Status Validate() const;
};

}  // namespace engram::lifecycle

#endif  // ENGRAM_LIBS_LIFECYCLE_SERVER_OPTIONS_H_
