#include "libs/http/retry_after.h"

#include <curl/curl.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace engram::http {
namespace {

constexpr absl::Duration kLongest = absl::Hours(24);

absl::Duration Bound(absl::Duration delay) {
  return std::clamp(delay, absl::ZeroDuration(), kLongest);
}

}  // namespace

std::optional<absl::Duration> ReadRetryAfter(const HttpResponse& response,
                                             absl::Time now) {
  double number = 0;
  if (absl::SimpleAtod(response.Find("retry-after-ms"), &number) &&
      !std::isnan(number)) {
    return Bound(absl::Milliseconds(number));
  }
  const absl::string_view text = response.Find("retry-after");
  if (absl::SimpleAtod(text, &number) && !std::isnan(number)) {
    return Bound(absl::Seconds(number));
  }
  const time_t date = curl_getdate(std::string(text).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return Bound(absl::FromTimeT(date) - now);
}

}  // namespace engram::http
