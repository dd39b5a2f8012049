#ifndef ENGRAM_SERVICES_STORAGE_CACHE_STATE_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_STATE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "libs/clock/clock.h"
#include "services/storage/cache_collection.h"
#include "services/storage/cache_leases.h"
#include "services/storage/cache_sizes.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What happened to one cache since storage started.
struct CacheCounters {
  std::atomic<int64_t> hits = 0;
  std::atomic<int64_t> misses = 0;
  std::atomic<int64_t> evictions = 0;
};

// A cache as requests name it.
struct NamedCache {
  std::string name;
  // Null if there is no such collection: an empty cache.
  CacheCollectionPtr cache;
  // Lives as long as the state.
  CacheCounters* counters = nullptr;
};

// What is kept in memory of one database's caches. Thread-safe, but for what
// says otherwise.
class CacheState {
 public:
  // `clock` must outlive this object.
  explicit CacheState(const Clock* clock) : leases_(clock) {}

  // Finds a cache; the empty name is `cache`. `FailedPrecondition` if the
  // collection lacks what a cache needs.
  absl::StatusOr<NamedCache> Find(const Catalog& catalog,
                                  absl::string_view name);

  CacheLeases& leases() { return leases_; }
  CacheSizes& sizes() { return sizes_; }

  // By how much the writes that share the commit under way, `head` the newest
  // change before it, made a cache grow so far: for Sets, which are many to a
  // commit, so that not each of them makes room anew. The writer's thread only.
  int64_t& GrowthSince(int64_t head, int64_t collection);

 private:
  struct Slot {
    CacheCollectionPtr cache;
    CacheCounters counters;
  };

  CacheLeases leases_;
  CacheSizes sizes_;

  int64_t growth_head_ = -1;
  Counts growth_;

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<Slot>> slots_
      ABSL_GUARDED_BY(mutex_);
  // Of names that have no slot.
  CacheCounters others_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_STATE_H_
