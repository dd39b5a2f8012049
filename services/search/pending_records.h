#ifndef ENGRAM_SERVICES_SEARCH_PENDING_RECORDS_H_
#define ENGRAM_SERVICES_SEARCH_PENDING_RECORDS_H_

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"

namespace engram::search {

// The records whose vectors are awaited, each with the sequence of the write
// that brought the text. Not thread-safe.
class PendingRecords {
 public:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  // A newer write of the same record replaces an older one, not the reverse.
  void Await(int64_t row, int64_t sequence) {
    const auto [found, added] = sequence_of_.try_emplace(row, sequence);
    if (!added) {
      if (found->second >= sequence) return;
      by_sequence_.erase({found->second, row});
      found->second = sequence;
    }
    by_sequence_.insert({sequence, row});
  }

  // Ends the wait for what was written up to `sequence`; a newer write of the
  // record is still awaited.
  void Settle(int64_t row, int64_t sequence) {
    const auto found = sequence_of_.find(row);
    if (found == sequence_of_.end() || found->second > sequence) return;
    by_sequence_.erase({found->second, row});
    sequence_of_.erase(found);
  }

  // The sequence of the oldest write that is awaited, or kNone.
  int64_t oldest() const {
    return by_sequence_.empty() ? kNone : by_sequence_.begin()->first;
  }

  int64_t size() const { return static_cast<int64_t>(sequence_of_.size()); }

  // Row and sequence of each.
  const absl::flat_hash_map<int64_t, int64_t>& entries() const {
    return sequence_of_;
  }

  int64_t memory_bytes() const {
    constexpr size_t kPairBytes = 2 * sizeof(int64_t);
    return static_cast<int64_t>(sequence_of_.capacity() * (kPairBytes + 1) +
                                by_sequence_.size() * kPairBytes);
  }

 private:
  absl::flat_hash_map<int64_t, int64_t> sequence_of_;
  absl::btree_set<std::pair<int64_t, int64_t>> by_sequence_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_PENDING_RECORDS_H_
