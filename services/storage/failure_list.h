// Which texts could not be embedded, and which of them are tried again.

#ifndef ENGRAM_SERVICES_STORAGE_FAILURE_LIST_H_
#define ENGRAM_SERVICES_STORAGE_FAILURE_LIST_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/storage/catalog.h"
#include "services/storage/database.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Failures that one page, or one write of a retry, looks at.
inline constexpr int kMaxFailuresLookedAt = 10'000;
// Failures that one write tries again.
inline constexpr int kMaxFailuresRetried = 1000;

// Which failures are meant; see FailureFilter.
struct FailureQuery {
  std::string collection;
  std::string vector_field;
  absl::flat_hash_set<int> reasons;
  // In lower case.
  std::string contains;
  absl::flat_hash_set<std::string> ids;
};

// `InvalidArgument` with every violation, at `filter`.
absl::StatusOr<FailureQuery> DecodeFilter(const v1::FailureFilter& filter);

// Adds a page, and the token of the next.
absl::Status ListEmbeddingFailures(Database& database,
                                   const v1::ListFailuresRequest& request,
                                   v1::ListFailuresResponse* response);

// How far a retry is.
struct FailureRetry {
  // Those up to here were looked at; of those beyond `last`, which came after
  // the call, none is.
  int64_t after = 0;
  int64_t last = 0;
  int64_t retried = 0;
  bool has_ended = false;
};

// Tries the next of them again, a bounded part. The first call has `last` 0.
absl::StatusOr<FailureRetry> RetryEmbeddingFailures(
    WriteTransaction& transaction, const Catalog& catalog,
    const FailureQuery& query, FailureRetry retry);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FAILURE_LIST_H_
