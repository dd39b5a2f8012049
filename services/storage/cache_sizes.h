#ifndef ENGRAM_SERVICES_STORAGE_CACHE_SIZES_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_SIZES_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/storage/cache_collection.h"
#include "services/storage/call_bounds.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

class ReadView;

// How many bytes the entries of one database's caches take, keys and values as
// stored: exact as of the newest commit, whoever writes. A scan counts a cache
// when it is first asked for; from then on every commit says by how much it
// grew (WriteEffects::cache_bytes). A new schema, which may store values in
// another way, has it counted again.
//
// Thread-safe.
class CacheSizes {
 public:
  // The size of a collection in the schema of this version; nothing before it
  // is counted.
  std::optional<int64_t> Find(int64_t collection, int64_t schema_version) const;

  // Counts the cache in the state that `view` has once BeginCount has been
  // called: in this order, so that no commit is left out.
  //
  //   sizes.BeginCount(collection);
  //   ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  //   status = sizes.Count(view, cache, epoch, bounds);
  //   sizes.EndCount(collection);
  void BeginCount(int64_t collection);
  absl::Status Count(const ReadView& view, const CacheCollection& cache,
                     uint64_t epoch, const CallBounds& bounds);
  void EndCount(int64_t collection);

  // Notes what a commit, whose newest change is `sequence`, did to the sizes.
  void NoteCommit(int64_t sequence, const Counts& growth);

 private:
  struct Size {
    int64_t schema_version = -1;
    int64_t bytes = 0;
    // How many count it now, and what was committed since the first began:
    // sequence and growth.
    int counting = 0;
    std::vector<std::pair<int64_t, int64_t>> commits;
  };

  mutable absl::Mutex mutex_;
  // By collection; of those that were asked for.
  absl::flat_hash_map<int64_t, Size> sizes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_SIZES_H_
