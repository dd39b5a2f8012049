// What a provider's refusal means: the HTTP status and the provider's own words
// become the errors that provider.h documents.

#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_ERROR_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_ERROR_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/http/http_client.h"

namespace engram::embedding {

struct Refusal {
  // 100 to 599.
  int http_status = 0;
  // The provider's own, shortened to a few hundred bytes, one line of UTF-8.
  std::string words;
  // When to come again, if the provider says.
  std::optional<absl::Duration> retry_after;
};

// Reads what `response` says of a failure. Knows the shapes that the providers
// of ProviderFormat use; of other bodies the beginning is taken.
Refusal ReadRefusal(const http::HttpResponse& response, absl::Time now);

// Returns the failure inside an answer of status 200, which gateways such as
// OpenRouter send when the provider behind them fails; nothing if there is
// none.
std::optional<Refusal> FindRefusalInside(const http::HttpResponse& response,
                                         absl::Time now);

// Returns the error of a call:
//
// - 400, 413, 422: `InvalidArgument`, about a text or another; but
//   `FailedPrecondition` where the words speak of the key, the model or its
//   dimensions, which no other text would change.
// - 401, 403, 404, redirects and the rest of 4xx: `FailedPrecondition`.
// - 402, 429: `ResourceExhausted`, with a retry delay if one is known.
// - 408: `DeadlineExceeded`.
// - 424 and 5xx: `Unavailable`, with a retry delay if one is known.
absl::Status ToStatus(const Refusal& refusal);

// Whether `status`, of ToStatus, says that a text is too long, so that a part
// of it may do.
bool IsTooLong(const absl::Status& status);

// Returns the number of the text that `words` names, below `texts`, such as 3
// for `input[3]` or `Input id 3`.
std::optional<size_t> FindNamedText(absl::string_view words, size_t texts);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_ERROR_H_
