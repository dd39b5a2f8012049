#ifndef ENGRAM_SERVICES_STORAGE_EMBEDDING_OUTBOX_H_
#define ENGRAM_SERVICES_STORAGE_EMBEDDING_OUTBOX_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"
#include "services/storage/embedding_pauses.h"
#include "services/storage/rate_meter.h"
#include "services/storage/read_pool.h"

namespace engram::storage {

// Which texts come first: those that were just written, for which somebody may
// wait, before those of a backfill and those that are tried again.
enum class OutboxClass { kFresh = 0, kBacklog = 1 };
inline constexpr std::array kOutboxClasses = {OutboxClass::kFresh,
                                              OutboxClass::kBacklog};

// Who asks for work.
struct LeaseRequest {
  absl::flat_hash_set<std::string> fingerprints;
  // Who embeds, and what is held back.
  std::string provider;
  std::vector<EmbeddingPause> pauses;
  absl::Time now;
  // When the leases end.
  absl::Time expire;
  // Identifies them; not 0.
  int64_t lease_id = 0;
};

// How much work is wanted still.
struct LeaseBudget {
  int entries = 0;
  int64_t bytes = 0;

  bool empty() const { return entries <= 0 || bytes <= 0; }

  // What each of so many gets: a piece at least.
  LeaseBudget ShareOf(size_t places) const {
    const auto count = static_cast<int>(places);
    return {.entries = (entries + count - 1) / count,
            .bytes = (bytes + count - 1) / count};
  }
};

// An entry that was answered, for good or not.
struct AnsweredEntry {
  int64_t entry = 0;
  // For the rate; 0 if nothing came of it.
  int64_t generation = 0;
};

// Hands out one database's texts that wait to be embedded, each to one holder
// at a time. The entries are a table, written with the records; the leases are
// kept in memory only, so a restart means that some texts may be embedded
// twice.
//
// Thread-safe.
class EmbeddingOutbox {
 public:
  // `catalog` must outlive this object. With `max_leases` handed out, nothing
  // more is until some end: that bounds the memory.
  EmbeddingOutbox(std::string database, const Catalog* catalog,
                  ReadPool* readers, size_t max_leases = 65'536)
      : database_(std::move(database)),
        catalog_(catalog),
        readers_(readers),
        max_leases_(max_leases) {}

  // Leases entries of a class, oldest first, those whose lease has ended before
  // new ones, every generation its share, and adds them to `response`; takes
  // what it adds off `budget`. The first entry of `response` may be larger than
  // the budget.
  absl::Status Lease(const LeaseRequest& request, OutboxClass outbox_class,
                     LeaseBudget& budget, v1::LeasePendingResponse& response);

  // Lets leases of `lease_id` last until `expire`, or end now if that is not
  // later than `now`. An entry that nobody has is leased; returns those that
  // another has.
  std::vector<int64_t> Extend(int64_t lease_id,
                              absl::Span<const int64_t> entries, absl::Time now,
                              absl::Time expire);

  // Whether the entry is leased under this id.
  bool Holds(int64_t lease_id, int64_t entry) const;

  // Tells that the newest commit added entries.
  void NoteNewEntries() { news_.fetch_add(1); }

  // Forgets the leases of entries that were answered.
  void Release(absl::Span<const AnsweredEntry> entries, absl::Time now);

  // Holds an entry that was tried without success back until `until`.
  void Postpone(int64_t entry, absl::Time until);

  // Makes entries whose lease has ended free again. Returns whether there were
  // any that were not free already.
  bool ExpireLeases(absl::Time now);

  // Whether Lease may find something for these models. False is certain until
  // the next commit that adds entries, or the next lease that ends.
  bool MayHavePending(
      const absl::flat_hash_set<std::string>& fingerprints) const;

  // Entries of a generation that were answered a second, in the last minute.
  double RateOf(int64_t generation, absl::Time now) const;

 private:
  struct Wanted {
    const Generation* generation;
    CollectionPtr collection;
  };
  // Who has an entry.
  struct Holder {
    absl::Time expire;
    // 0 of an entry that is held back.
    int64_t lease_id = 0;
    // 0 if not known.
    int64_t generation = 0;
    OutboxClass outbox_class = OutboxClass::kFresh;
  };
  // One class's entries.
  struct Queue {
    // By fingerprint: `news_` as it was before a Lease that found no more
    // entries.
    absl::flat_hash_map<std::string, uint64_t> exhausted_at;
    // By generation: no entry up to here is new.
    absl::flat_hash_map<int64_t, int64_t> cursors;
    // By generation, 0 if it is not known: entries whose lease has ended.
    std::map<int64_t, std::set<int64_t>> returned;
  };
  // One entry, and what the table has of it.
  struct Entry {
    int64_t entry;
    int64_t row;
    absl::string_view content_hash;
  };
  // What one Lease works with.
  struct Search;

  // The generations that the request may have texts of. Notes in `whole` which
  // fingerprints are not held back anywhere.
  std::vector<Wanted> FindWanted(const LeaseRequest& request,
                                 absl::flat_hash_set<std::string>& whole) const;
  // The next four add to the response what they find. The first two return
  // whether the generation has no more; the last one whether there was room.
  absl::StatusOr<bool> LeaseGeneration(Search& search, const Wanted& wanted,
                                       LeaseBudget budget)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<bool> LeaseNew(Search& search, const Wanted& wanted,
                                LeaseBudget& budget)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<bool> LeaseReturned(Search& search, const Wanted& wanted,
                                     std::set<int64_t>& returned,
                                     LeaseBudget& budget)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<bool> LeaseOne(Search& search, const Wanted& wanted,
                                const Entry& entry, LeaseBudget& budget)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFull(const LeaseBudget& budget) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool ExpireLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string database_;
  const Catalog* const catalog_;
  ReadPool* const readers_;
  const size_t max_leases_;

  // Grows when there may be new entries, so that a commit need not wait for a
  // Lease that is reading.
  std::atomic<uint64_t> news_ = 1;

  mutable absl::Mutex mutex_;
  std::array<Queue, kOutboxClasses.size()> queues_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int64_t, Holder> leases_ ABSL_GUARDED_BY(mutex_);
  // By generation.
  absl::flat_hash_map<int64_t, RateMeter> rates_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_EMBEDDING_OUTBOX_H_
