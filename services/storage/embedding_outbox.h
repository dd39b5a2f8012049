#ifndef ENGRAM_SERVICES_STORAGE_EMBEDDING_OUTBOX_H_
#define ENGRAM_SERVICES_STORAGE_EMBEDDING_OUTBOX_H_

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// Who asks for work, and how much is wanted still.
struct LeaseRequest {
  absl::flat_hash_set<std::string> fingerprints;
  int entries = 0;
  int64_t bytes = 0;
  absl::Time now;
  // When the leases end.
  absl::Time expire;
};

// Hands out one database's texts that wait to be embedded, each to one holder
// at a time. The entries are a table, written with the records; the leases are
// kept in memory only, so a restart means that some texts are embedded twice.
//
// Thread-safe.
class EmbeddingOutbox {
 public:
  // `catalog` must outlive this object. With `max_leases` handed out, nothing
  // more is until some end: that bounds the memory.
  EmbeddingOutbox(std::string database, const Catalog* catalog,
                  size_t max_leases = 65'536)
      : database_(std::move(database)),
        catalog_(catalog),
        max_leases_(max_leases) {}

  // Leases entries, oldest first, those whose lease has ended before new ones,
  // and adds them to `response`; takes what it adds off `request`. The first
  // entry of `response` may be larger than `request.bytes`. Reads `reader`, one
  // of the database's.
  absl::Status Lease(sqlite::Connection& reader, LeaseRequest& request,
                     v1::LeasePendingResponse& response);

  // Tells that the newest commit added entries.
  void NoteNewEntries() { news_.fetch_add(1); }

  // Forgets the leases of entries that were answered.
  void Release(const std::vector<int64_t>& entries);

  // Makes entries whose lease has ended free again. Returns whether there were
  // any that were not free already.
  bool ExpireLeases(absl::Time now);

  // Whether Lease may find something. False is certain until the next commit
  // that adds entries, or the next lease that ends.
  bool MayHavePending() const;

 private:
  struct Wanted {
    const Generation* generation;
    const VectorField* field;
    const Collection* collection;
  };

  bool ExpireLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LeaseReturned(sqlite::Connection& reader, LeaseRequest& request,
                             v1::LeasePendingResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LeaseNew(sqlite::Connection& reader, const Wanted& wanted,
                        LeaseRequest& request,
                        v1::LeasePendingResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds one entry; false if it is too large for what is wanted still.
  absl::StatusOr<bool> LeaseOne(sqlite::Connection& reader,
                                const Wanted& wanted, int64_t entry,
                                int64_t row, absl::string_view content_hash,
                                LeaseRequest& request,
                                v1::LeasePendingResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFull(const LeaseRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string database_;
  const Catalog* const catalog_;
  const size_t max_leases_;

  // Grows when there may be new entries, so that a commit need not wait for a
  // Lease that is reading.
  std::atomic<uint64_t> news_ = 1;

  mutable absl::Mutex mutex_;
  // `news_` as it was before a Lease that found no more entries.
  uint64_t exhausted_at_ ABSL_GUARDED_BY(mutex_) = 0;
  // By generation: no entry up to here is new.
  absl::flat_hash_map<int64_t, int64_t> cursors_ ABSL_GUARDED_BY(mutex_);
  // When each entry's lease ends.
  absl::flat_hash_map<int64_t, absl::Time> leases_ ABSL_GUARDED_BY(mutex_);
  // Entries whose lease has ended.
  std::set<int64_t> returned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_EMBEDDING_OUTBOX_H_
