#include "services/storage/cache_request.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_id.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kMinTimeToLive = absl::Milliseconds(1);
// A hundred years: far from where timestamps end.
constexpr absl::Duration kMaxTimeToLive = absl::Hours(24 * 36'525);
constexpr absl::Duration kDefaultLease = absl::Seconds(30);
constexpr absl::Duration kMinLease = absl::Milliseconds(1);
constexpr absl::Duration kMaxLease = absl::Minutes(10);
constexpr absl::Duration kDefaultWait = absl::Seconds(30);
constexpr absl::Duration kMaxWait = absl::Seconds(60);
constexpr size_t kMaxLeaseBytes = 128;

absl::Duration ToDuration(const google::protobuf::Duration& sent) {
  return absl::Seconds(sent.seconds()) + absl::Nanoseconds(sent.nanos());
}

void CheckDuration(absl::string_view path,
                   const google::protobuf::Duration& sent, absl::Duration least,
                   absl::Duration most, FieldViolations& violations) {
  const absl::Duration duration = ToDuration(sent);
  if (duration >= least && duration <= most) return;
  violations.Add(path, absl::StrCat("is ", absl::FormatDuration(duration),
                                    "; give ", absl::FormatDuration(least),
                                    " to ", absl::FormatDuration(most)));
}

}  // namespace

void CheckCacheKey(absl::string_view key, absl::string_view path,
                   FieldViolations& violations) {
  const std::optional<std::string> problem = FindRecordIdProblem(key);
  if (problem.has_value()) violations.Add(path, *problem);
}

absl::Status CheckSetRequest(const v1::SetRequest& request) {
  FieldViolations violations;
  CheckCacheKey(request.entry().key(), "entry.key", violations);
  if (request.entry().value().kind_case() ==
      google::protobuf::Value::KIND_NOT_SET) {
    violations.Add("entry.value", "is missing; null is a value too");
  }
  if (request.has_ttl()) {
    CheckDuration("ttl", request.ttl(), kMinTimeToLive, kMaxTimeToLive,
                  violations);
  }
  if (request.lease().size() > kMaxLeaseBytes) {
    violations.Add("lease", "is none that GetOrLease gave; it is too long");
  }
  return violations.ToStatus();
}

std::optional<absl::Duration> TimeToLive(const v1::SetRequest& request) {
  if (!request.has_ttl()) return std::nullopt;
  return ToDuration(request.ttl());
}

absl::StatusOr<LeaseTerms> DecodeLeaseTerms(
    const v1::GetOrLeaseRequest& request) {
  FieldViolations violations;
  CheckCacheKey(request.key(), "key", violations);
  LeaseTerms terms = {.duration = kDefaultLease, .wait = kDefaultWait};
  if (request.has_lease_duration()) {
    CheckDuration("lease_duration", request.lease_duration(), kMinLease,
                  kMaxLease, violations);
    terms.duration = ToDuration(request.lease_duration());
  }
  if (request.has_wait()) {
    CheckDuration("wait", request.wait(), absl::ZeroDuration(), kMaxWait,
                  violations);
    terms.wait = ToDuration(request.wait());
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return terms;
}

}  // namespace engram::storage
