#include "services/storage/cache_target.h"

#include <utility>

#include "libs/status/status_macros.h"
#include "services/storage/cache_reader.h"

namespace engram::storage {

absl::StatusOr<CacheTarget> FindCache(const DatabaseRegistry& registry,
                                      absl::string_view database,
                                      absl::string_view collection) {
  CacheTarget target;
  ASSIGN_OR_RETURN(target.database, registry.Find(database));
  ASSIGN_OR_RETURN(target.named, target.database->caches().Find(
                                     target.database->catalog(), collection));
  return target;
}

absl::StatusOr<bool> CacheTarget::Read(absl::string_view key,
                                       v1::CacheEntry* entry) const {
  if (cache() == nullptr) return false;
  return ReadCacheEntry(*database, *cache(), key, entry);
}

void CacheTarget::CountRead(bool found) const {
  std::atomic<int64_t>& counter =
      found ? named.counters->hits : named.counters->misses;
  counter.fetch_add(1, std::memory_order_relaxed);
  StorageMetrics& metrics = database->metrics();
  (found ? metrics.cache_hits : metrics.cache_misses).Increment();
}

}  // namespace engram::storage
