#ifndef ENGRAM_SERVICES_STORAGE_CACHE_READER_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_READER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/cache.pb.h"
#include "services/storage/cache_collection.h"
#include "services/storage/cache_pattern.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"

namespace engram::storage {

// Reads an entry; false if there is none, or if it has expired by now. Notes
// that it was read where the collection wants to know. Takes some microseconds.
absl::StatusOr<bool> ReadCacheEntry(Database& database,
                                    const CacheCollection& cache,
                                    absl::string_view key,
                                    v1::CacheEntry* entry);

// Whether there is such an entry; notes nothing.
absl::StatusOr<bool> HasCacheEntry(Database& database,
                                   const CacheCollection& cache,
                                   absl::string_view key);

// Which keys a page has.
struct KeysWanted {
  CachePattern pattern;
  // Empty is all of them.
  std::string category;
  bool include_expired = false;
  // The last key that the page before looked at; empty begins.
  std::string after;
  int limit = 0;
};

// Adds up to `limit` keys to `keys`, in order. Looks at a bounded number, so
// that there may be none. Returns the last one it looked at if there may be
// more, else nothing.
absl::StatusOr<std::optional<std::string>> ReadCacheKeys(
    Database& database, const CacheCollection& cache, const KeysWanted& wanted,
    const CallBounds& bounds,
    google::protobuf::RepeatedPtrField<std::string>* keys);

// The most categories that an answer names.
inline constexpr int kMaxCategories = 1000;

// Counts entries and bytes, of all and by category.
absl::Status ReadCacheStats(Database& database, const CacheCollection& cache,
                            const CallBounds& bounds,
                            v1::CacheServiceStatsResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_READER_H_
