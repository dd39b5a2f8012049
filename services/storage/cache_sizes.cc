#include "services/storage/cache_sizes.h"

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"
#include "services/storage/collection_table.h"
#include "services/storage/database.h"

namespace engram::storage {

std::optional<int64_t> CacheSizes::Find(int64_t collection,
                                        int64_t schema_version) const {
  absl::MutexLock lock(&mutex_);
  const auto found = sizes_.find(collection);
  if (found == sizes_.end() || found->second.schema_version != schema_version) {
    return std::nullopt;
  }
  return found->second.bytes;
}

void CacheSizes::BeginCount(int64_t collection) {
  absl::MutexLock lock(&mutex_);
  ++sizes_[collection].counting;
}

absl::Status CacheSizes::Count(const ReadView& view,
                               const CacheCollection& cache, uint64_t epoch,
                               const CallBounds& bounds) {
  sqlite::Connection& connection = view.connection();
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(connection, epoch));
  int64_t bytes = 0;
  {
    const StatementGuard guard(connection, bounds);
    const absl::StatusOr<int64_t> counted = connection.QueryInt(
        absl::StrCat("SELECT ifnull(sum(", cache.bytes, "), 0) FROM ",
                     QuoteIdentifier(cache.name()),
                     LiveRecords(cache.collection->spec, " WHERE ")));
    RETURN_IF_ERROR(guard.Explain(counted.status()));
    bytes = *counted;
  }
  absl::MutexLock lock(&mutex_);
  Size& size = sizes_[cache.collection->id];
  for (const auto& [sequence, growth] : size.commits) {
    if (sequence > head.sequence) bytes += growth;
  }
  size.schema_version = view.schema_version();
  size.bytes = bytes;
  return absl::OkStatus();
}

void CacheSizes::EndCount(int64_t collection) {
  absl::MutexLock lock(&mutex_);
  Size& size = sizes_[collection];
  if (--size.counting == 0) size.commits.clear();
}

void CacheSizes::NoteCommit(int64_t sequence, const Counts& growth) {
  if (growth.empty()) return;
  absl::MutexLock lock(&mutex_);
  for (const auto& [collection, bytes] : growth) {
    const auto found = sizes_.find(collection);
    if (found == sizes_.end()) continue;
    found->second.bytes += bytes;
    if (found->second.counting > 0) {
      found->second.commits.emplace_back(sequence, bytes);
    }
  }
}

}  // namespace engram::storage
