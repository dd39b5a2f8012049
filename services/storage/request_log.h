#ifndef ENGRAM_SERVICES_STORAGE_REQUEST_LOG_H_
#define ENGRAM_SERVICES_STORAGE_REQUEST_LOG_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

inline constexpr int kMaxRequestIdBytes = 128;
inline constexpr absl::Duration kRequestLifetime = absl::Hours(24);
// Of a database's kept answers; beyond it the oldest go early.
inline constexpr int64_t kMaxKeptResponseBytes = int64_t{64} << 20;

// Returns the answer that `method` gave to `request_id` in the last 24 hours,
// or nothing. `InvalidArgument`, reason `REQUEST_ID_REUSED`, if that request's
// hash was another one.
absl::StatusOr<std::optional<std::string>> FindResponse(
    WriteTransaction& transaction, absl::string_view method,
    absl::string_view request_id, absl::string_view request_hash);

// Keeps an answer, in the same transaction as what it reports, and drops the
// oldest while they are too old or too much.
absl::Status KeepResponse(WriteTransaction& transaction,
                          absl::string_view method,
                          absl::string_view request_id,
                          absl::string_view request_hash,
                          absl::string_view response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_REQUEST_LOG_H_
