#ifndef ENGRAM_SERVICES_STORAGE_CACHE_TARGET_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_TARGET_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/cache.pb.h"
#include "services/storage/database.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The cache that a call is about.
struct CacheTarget {
  Database* database = nullptr;
  NamedCache named;

  // Null if there is no such collection: an empty cache.
  const CacheCollection* cache() const { return named.cache.get(); }

  // Reads an entry; false if there is none. Counts nothing.
  absl::StatusOr<bool> Read(absl::string_view key, v1::CacheEntry* entry) const;
  // Counts a read that found an entry, or found none.
  void CountRead(bool found) const;
};

// `NotFound` if there is no such database, `FailedPrecondition` if the
// collection is no cache.
absl::StatusOr<CacheTarget> FindCache(const DatabaseRegistry& registry,
                                      absl::string_view database,
                                      absl::string_view collection);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_TARGET_H_
