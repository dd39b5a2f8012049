#ifndef ENGRAM_LIBS_HTTP_RETRY_AFTER_H_
#define ENGRAM_LIBS_HTTP_RETRY_AFTER_H_

#include <optional>

#include "absl/time/time.h"
#include "libs/http/http_client.h"

namespace engram::http {

// Returns how long after `now` the server wants to be left alone: what
// `Retry-After` says, in seconds or as a date (RFC 9110, 10.2.3), or
// `retry-after-ms`, which is finer and comes first. Never below zero, at most a
// day. Nothing if it does not say, or nothing that can be read.
std::optional<absl::Duration> ReadRetryAfter(const HttpResponse& response,
                                             absl::Time now);

}  // namespace engram::http

#endif  // ENGRAM_LIBS_HTTP_RETRY_AFTER_H_
