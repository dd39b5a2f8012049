#include "libs/lifecycle/server_options.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/config/flags.h"

namespace engram::lifecycle {
namespace {

bool IsLoopback(absl::string_view address) {
  return absl::StartsWith(address, "127.") ||
         absl::StartsWith(address, "localhost:") ||
         absl::StartsWith(address, "[::1]:");
}

}  // namespace

void ServerOptions::Declare(config::Flags& flags) {
  flags.Add("listen", &listen, "Address that gRPC listens on, host:port");
  flags.Add("metrics-listen", &metrics_listen,
            "Address that serves Prometheus metrics, host:port");
  flags.Add("allow-plaintext", &allow_plaintext,
            "Listen on other addresses than loopback, unencrypted and without "
            "authentication");
  flags.Add("max-message-bytes", &max_message_bytes,
            "Largest message taken, in bytes; larger ones cost memory");
  flags.Add("shutdown-grace", &shutdown_grace,
            "How long a stop waits for calls to end before it cancels them");
  flags.Add("log-level", &log_level,
            "Least level that is logged: debug, info, warning, error, off");
}

absl::Status ServerOptions::Validate() const {
  if (!allow_plaintext && !IsLoopback(listen)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "listen: \"", listen,
        "\" can be reached from other machines, and calls are neither "
        "encrypted nor authenticated; listen on 127.0.0.1, or say that this "
        "is wanted with --allow-plaintext"));
  }
  if (max_message_bytes < 64 * 1024 || max_message_bytes > 1024 * 1024 * 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("max-message-bytes: ", max_message_bytes,
                     " is not between 65536 and 1073741824"));
  }
  return absl::OkStatus();
}

}  // namespace engram::lifecycle
