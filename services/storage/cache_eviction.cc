#include "services/storage/cache_eviction.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/record_editor.h"
#include "services/storage/record_purge.h"

namespace engram::storage {
namespace {

// One write's evictions.
class Eviction {
 public:
  Eviction(WriteTransaction& transaction, Database& database,
           const CacheCollection& cache, int64_t bytes)
      : transaction_(transaction),
        database_(database),
        cache_(cache),
        bytes_(bytes) {}

  // Makes those go that `condition` is true of, in the order of `order`, but
  // not `key`. Returns how many went. ?1 is the time.
  absl::StatusOr<int64_t> Evict(absl::string_view condition,
                                absl::string_view order,
                                absl::string_view key) {
    int64_t evicted = 0;
    // Of those that come first in this order, how many refs keep.
    int64_t kept = 0;
    while (bytes_ > 0 && left_ > 0) {
      ASSIGN_OR_RETURN(const std::vector<StoredRecord> victims,
                       Find(condition, order, key, kept));
      if (victims.empty()) break;
      ASSIGN_OR_RETURN(const PurgeCounts counts, Purge(victims));
      evicted += counts.deleted.deleted;
      kept += counts.kept;
    }
    return evicted;
  }

 private:
  absl::StatusOr<std::vector<StoredRecord>> Find(absl::string_view condition,
                                                 absl::string_view order,
                                                 absl::string_view key,
                                                 int64_t offset) {
    ASSIGN_OR_RETURN(
        sqlite::Statement select,
        transaction_.connection().Cached(absl::StrCat(
            "SELECT _row, id, ", cache_.bytes, " FROM ",
            QuoteIdentifier(cache_.name()), " WHERE id <> ?2 AND ", condition,
            LiveRecords(cache_.collection->spec, " AND "), " ORDER BY ", order,
            ", _row LIMIT ?3 OFFSET ?4")));
    select.BindInt(1, transaction_.now_us());
    select.BindText(2, key);
    select.BindInt(3, left_);
    select.BindInt(4, offset);
    std::vector<StoredRecord> victims;
    for (int64_t bytes = 0; bytes < bytes_;) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) break;
      victims.push_back(
          {.row = select.Int(0), .id = std::string(select.Text(1))});
      bytes += select.Int(2);
      --left_;
    }
    return victims;
  }

  absl::StatusOr<PurgeCounts> Purge(const std::vector<StoredRecord>& victims) {
    const int64_t before = Grown();
    RecordEditor editor(transaction_, database_.catalog(),
                        {.max_cascade_rows = database_.max_cascade_rows()});
    PurgeCounts counts;
    RETURN_IF_ERROR(PurgeRecords(editor, *cache_.collection, victims,
                                 kMaxEvictedEntries, counts)
                        .status());
    RETURN_IF_ERROR(editor.Finish());
    bytes_ -= before - Grown();
    return counts;
  }

  // By how much the write made the cache grow.
  int64_t Grown() {
    return transaction_.effects().cache_bytes[cache_.collection->id];
  }

  WriteTransaction& transaction_;
  Database& database_;
  const CacheCollection& cache_;
  // What must go still, and the most entries that may.
  int64_t bytes_;
  int64_t left_ = kMaxEvictedEntries;
};

}  // namespace

absl::StatusOr<int64_t> EvictEntries(WriteTransaction& transaction,
                                     Database& database,
                                     const CacheCollection& cache,
                                     absl::string_view key, int64_t bytes) {
  Eviction eviction(transaction, database, cache, bytes);
  RETURN_IF_ERROR(
      eviction.Evict("_expires_us <= ?1", "_expires_us", key).status());
  return eviction.Evict("(_expires_us IS NULL OR _expires_us > ?1)", cache.used,
                        key);
}

}  // namespace engram::storage
