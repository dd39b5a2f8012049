#ifndef ENGRAM_SERVICES_SEARCH_SLOT_TABLE_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "services/search/index.h"
#include "services/search/row_array.h"

namespace engram::search {

// The slot of each key, where a key is row * kMaxChunks + chunk. The first
// chunk of a record, and most have no other, costs a number. Not thread-safe.
class SlotTable {
 public:
  // So many records will come.
  void Reserve(int64_t records) { first_.Reserve(records); }

  // Nothing if there is no such key.
  std::optional<uint32_t> Find(int64_t key) const {
    if (key % kMaxChunks == 0) {
      const uint32_t next = first_.Get(key / kMaxChunks);
      return next == 0 ? std::nullopt : std::optional<uint32_t>(next - 1);
    }
    const auto found = others_.find(key);
    if (found == others_.end()) return std::nullopt;
    return found->second;
  }

  // The slots of all chunks of `rows`.
  std::vector<uint32_t> SlotsOf(absl::Span<const int64_t> rows) const {
    std::vector<uint32_t> slots(rows.size());
    size_t count = 0;
    RowArray<uint32_t>::Reader first(first_);
    for (const int64_t row : rows) {
      const uint32_t next = first.Get(row);
      // No branch, no call: there may be a hundred thousand.
      slots[count] = next - 1;
      count += next == 0 ? 0 : 1;
    }
    slots.resize(count);
    if (others_.empty()) return slots;
    for (const int64_t row : rows) {
      for (int64_t key = row * kMaxChunks + 1;; ++key) {
        const auto other = others_.find(key);
        if (other == others_.end()) break;
        slots.push_back(other->second);
      }
    }
    return slots;
  }

  void Set(int64_t key, uint32_t slot) {
    if (key % kMaxChunks == 0) {
      first_.Set(key / kMaxChunks, slot + 1);
    } else {
      others_[key] = slot;
    }
  }

  void Erase(int64_t key) {
    if (key % kMaxChunks == 0) {
      first_.Erase(key / kMaxChunks);
    } else {
      others_.erase(key);
    }
  }

  int64_t memory_bytes() const {
    // One control byte a place beside the entry itself.
    constexpr size_t kEntryBytes =
        sizeof(std::pair<const int64_t, uint32_t>) + 1;
    return first_.memory_bytes() +
           static_cast<int64_t>(others_.capacity() * kEntryBytes);
  }

 private:
  // Of each row's chunk 0 the slot, and one more: 0 is none.
  RowArray<uint32_t> first_;
  absl::flat_hash_map<int64_t, uint32_t> others_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_TABLE_H_
