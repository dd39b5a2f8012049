#ifndef ENGRAM_SERVICES_STORAGE_CACHE_DELETER_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_DELETER_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/cache_collection.h"
#include "services/storage/cache_pattern.h"
#include "services/storage/database.h"
#include "services/storage/record_where.h"

namespace engram::storage {

// How many entries went, those that had expired not counted.
using EntriesDeleted = absl::AnyInvocable<void(absl::StatusOr<int64_t>)>;

// All of these delete for good, whatever the collection keeps of what is
// deleted: a Set must find the key free. They return at once; `done` is called
// once, by any thread. The database must live until then.

// Deletes one entry: 0 or 1.
void DeleteCacheEntry(Database& database, const CacheCollection& cache,
                      absl::string_view key, absl::Time deadline,
                      EntriesDeleted done);

// Deletes the entries whose keys meet the pattern. A reader looks for them, so
// that no scan holds the writer, which deletes them in slices. Begins on the
// calling thread, which must be one for long work; entries set since then stay.
// An error leaves the slices that were committed.
void DeleteCacheMatching(Database& database, const CacheCollection& cache,
                         CachePattern pattern, WhereCall call,
                         EntriesDeleted done);

// Deletes all entries, or those of a category, as RecordService.DeleteWhere
// does. As above.
void ClearCache(Database& database, const CacheCollection& cache,
                absl::string_view category, WhereCall call,
                EntriesDeleted done);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_DELETER_H_
