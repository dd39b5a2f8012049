#ifndef ENGRAM_SERVICES_STORAGE_CACHE_EVICTION_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_EVICTION_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/cache_collection.h"
#include "services/storage/database.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// The most entries that one Set makes go; the next one goes on.
inline constexpr int kMaxEvictedEntries = 1000;

// Makes entries of a cache go that take `bytes` together: first what has
// expired, then what was used longest ago, but never `key`. Those that refs
// keep stay. Returns how many went that had not expired.
absl::StatusOr<int64_t> EvictEntries(WriteTransaction& transaction,
                                     Database& database,
                                     const CacheCollection& cache,
                                     absl::string_view key, int64_t bytes);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_EVICTION_H_
