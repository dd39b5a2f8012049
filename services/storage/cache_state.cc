#include "services/storage/cache_state.h"

#include <utility>

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// More caches than a database has; those beyond are not counted apart.
constexpr size_t kMaxSlots = 1000;

}  // namespace

absl::StatusOr<NamedCache> CacheState::Find(const Catalog& catalog,
                                            absl::string_view name) {
  if (name.empty()) name = kDefaultCache;
  NamedCache found = {.name = std::string(name), .counters = &others_};
  CollectionPtr collection = catalog.Find(name);
  {
    absl::ReaderMutexLock lock(&mutex_);
    const auto slot = slots_.find(name);
    if (slot != slots_.end()) {
      found.counters = &slot->second->counters;
      if (collection == nullptr) return found;
      if (slot->second->cache != nullptr &&
          slot->second->cache->collection == collection) {
        found.cache = slot->second->cache;
        return found;
      }
    }
  }
  // A name that nothing has gets no slot: there would be no end of them.
  if (collection == nullptr && name != kDefaultCache) return found;
  if (collection != nullptr) {
    ASSIGN_OR_RETURN(found.cache, MakeCacheCollection(std::move(collection)));
  }
  absl::MutexLock lock(&mutex_);
  if (slots_.size() >= kMaxSlots && !slots_.contains(name)) return found;
  std::unique_ptr<Slot>& slot = slots_[name];
  if (slot == nullptr) slot = std::make_unique<Slot>();
  slot->cache = found.cache;
  found.counters = &slot->counters;
  return found;
}

int64_t& CacheState::GrowthSince(int64_t head, int64_t collection) {
  if (head != growth_head_) {
    growth_head_ = head;
    growth_.clear();
  }
  return growth_[collection];
}

}  // namespace engram::storage
