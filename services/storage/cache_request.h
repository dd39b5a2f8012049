// What CacheService's requests have in common, read and checked.

#ifndef ENGRAM_SERVICES_STORAGE_CACHE_REQUEST_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_REQUEST_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/storage/v1/cache.pb.h"
#include "libs/status/errors.h"

namespace engram::storage {

// The key of a request, in its field `path`.
void CheckCacheKey(absl::string_view key, absl::string_view path,
                   FieldViolations& violations);

// Entry, time to live and lease.
absl::Status CheckSetRequest(const v1::SetRequest& request);

// How long an entry lives; nothing if for ever. For a request that
// CheckSetRequest let through.
std::optional<absl::Duration> TimeToLive(const v1::SetRequest& request);

// What a GetOrLease wants.
struct LeaseTerms {
  absl::Duration duration;
  absl::Duration wait;
};
absl::StatusOr<LeaseTerms> DecodeLeaseTerms(
    const v1::GetOrLeaseRequest& request);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_REQUEST_H_
