// What makes a collection a cache.

#ifndef ENGRAM_SERVICES_STORAGE_CACHE_COLLECTION_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_COLLECTION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// The collection that requests mean which name none, and its schema document,
// which the first Set applies where there is no such collection.
inline constexpr absl::string_view kDefaultCache = "cache";
extern const absl::string_view kDefaultCacheDocument;

// A collection that holds a cache's entries: the record's id is the key. Places
// in CollectionSpec::fields; -1 where it has no such field of the right type.
struct CacheCollection {
  CollectionPtr collection;
  // json, text, string or bytes.
  int value = -1;
  // The timestamp that the collection expires by.
  int expires_at = -1;
  // string or text.
  int category = -1;
  // Timestamps that a Set can give a value.
  int created_at = -1;
  int used_at = -1;
  // An int that a Set can give a value.
  int hits = -1;

  // SQL over the collection's table, for an entry whose id is ?1 and that has
  // not expired at ?2: _row, value, expires, created, category, hits (NULL or 0
  // where there are none).
  std::string select_entry;
  // The same: 1.
  std::string select_found;
  // The bytes of one entry, key and value as stored.
  std::string bytes;
  // When an entry was used last, or else written, as ORDER BY has it: an index
  // where `used_at` is required and has one.
  std::string used;

  const std::string& name() const { return collection->name(); }
};

// The place of an entry's value in a collection that has what a cache needs,
// else -1.
int FindCacheValue(const schema::CollectionSpec& spec);

using CacheCollectionPtr = std::shared_ptr<const CacheCollection>;

// `FailedPrecondition`, reason `ATTRIBUTE_MISSING`, naming the attribute, if
// the collection lacks what a cache needs.
absl::StatusOr<CacheCollectionPtr> MakeCacheCollection(
    CollectionPtr collection);

// The same error for a category where the cache has none.
absl::Status CategoryMissing(const CacheCollection& cache);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_COLLECTION_H_
