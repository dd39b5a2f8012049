#ifndef ENGRAM_SERVICES_SEARCH_SLOT_TABLE_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_TABLE_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "services/search/index.h"
#include "services/search/row_pages.h"
#include "services/search/row_set.h"

namespace engram::search {

// The slot of each key, where a key is row * kMaxChunks + chunk. The first
// chunks of records, and most have no other, are in pages of 64 rows, as those
// of a RowSet. Where a page's slots follow each other as its rows do, and those
// of records that came one after the other do, it is enough to know where they
// begin. Not thread-safe.
class SlotTable {
 public:
  // So many records will come.
  void Reserve(int64_t records) { pages_.Reserve(records / kPageRows + 1); }

  // Nothing if there is no such key.
  std::optional<uint32_t> Find(int64_t key) const {
    const int64_t row = key / kMaxChunks;
    if (key % kMaxChunks != 0) {
      const auto found = others_.find(key);
      if (found == others_.end()) return std::nullopt;
      return found->second;
    }
    const auto* const page = pages_.Find(row / kPageRows);
    if (page == nullptr) return std::nullopt;
    const int64_t place = row % kPageRows;
    if ((page->rows.there >> place & 1) == 0) return std::nullopt;
    return page->rows.SlotAt(place);
  }

  // The slots of all chunks of some rows. Good until the next change, and as
  // long as the rows.
  class Slots {
   public:
    // More than that are in no block.
    static constexpr size_t kMaxBlock = 256;

    // Whether they are more than that; rows that are not there count, too.
    bool HasMoreThan(int64_t count) const {
      return rows_.HasMoreThan(count - static_cast<int64_t>(others_.size()));
    }
    int64_t EstimatedSize() const {
      return rows_.EstimatedSize() + static_cast<int64_t>(others_.size());
    }

    // Calls `visit(slots, end)` with all of them, a block at a time, which
    // stays in the first-level cache until it has been looked at; `end` is
    // above each of the block.
    template <typename Visit>
    void ForEachBlock(Visit visit) const {
      std::array<uint32_t, kMaxBlock> block;
      size_t count = 0;
      uint32_t end = 0;
      int64_t ahead = 0;
      for (const RowSet::Word& word : rows_.words()) {
        const auto* const found = table_.pages_.FindNext(word.number, ahead);
        if (found == nullptr) continue;
        const Page& page = found->rows;
        if (count + kPageRows > kMaxBlock) {
          visit(absl::MakeConstSpan(block.data(), count), end);
          count = 0;
          end = 0;
        }
        uint64_t rest = word.rows & page.there;
        if (page.slots == nullptr) {
          end = std::max<uint32_t>(end, page.first + kPageRows);
          for (; rest != 0; rest &= rest - 1) {
            block[count++] = page.first + std::countr_zero(rest);
          }
        } else {
          end = kNoEnd;
          for (; rest != 0; rest &= rest - 1) {
            block[count++] = (*page.slots)[std::countr_zero(rest)];
          }
        }
      }
      if (count > 0) visit(absl::MakeConstSpan(block.data(), count), end);
      const auto others = absl::MakeConstSpan(others_);
      for (size_t i = 0; i < others.size(); i += kMaxBlock) {
        visit(others.subspan(i, kMaxBlock), kNoEnd);
      }
    }

   private:
    friend class SlotTable;

    static constexpr uint32_t kNoEnd = std::numeric_limits<uint32_t>::max();

    Slots(const SlotTable& table, const RowSet& rows)
        : table_(table), rows_(rows) {
      if (table.others_.empty()) return;
      rows.ForEach([&](int64_t row) {
        for (int64_t key = row * kMaxChunks + 1;; ++key) {
          const auto found = table.others_.find(key);
          if (found == table.others_.end()) break;
          others_.push_back(found->second);
        }
      });
    }

    const SlotTable& table_;
    const RowSet& rows_;
    // Of chunks that are not the first.
    std::vector<uint32_t> others_;
  };
  Slots SlotsOf(const RowSet& rows) const { return {*this, rows}; }

  void Set(int64_t key, uint32_t slot) {
    if (key % kMaxChunks != 0) {
      others_[key] = slot;
      return;
    }
    const int64_t row = key / kMaxChunks;
    Page& page = pages_.Add(row / kPageRows).rows;
    const auto place = static_cast<uint32_t>(row % kPageRows);
    if (page.there == 0) page.first = slot - place;
    page.there |= uint64_t{1} << place;
    if (page.SlotAt(place) == slot) return;
    if (page.slots == nullptr) {
      page.slots = std::make_unique<PageSlots>();
      for (uint32_t i = 0; i < kPageRows; ++i) {
        (*page.slots)[i] = page.first + i;
      }
      ++full_pages_;
    }
    (*page.slots)[place] = slot;
  }

  void Erase(int64_t key) {
    if (key % kMaxChunks != 0) {
      others_.erase(key);
      return;
    }
    const int64_t row = key / kMaxChunks;
    auto* const found = pages_.Find(row / kPageRows);
    if (found == nullptr) return;
    Page& page = found->rows;
    page.there &= ~(uint64_t{1} << row % kPageRows);
    if (page.there != 0) return;
    if (page.slots != nullptr) --full_pages_;
    pages_.Erase(row / kPageRows);
  }

  int64_t memory_bytes() const {
    // One control byte a place beside the entry itself.
    constexpr size_t kEntryBytes =
        sizeof(std::pair<const int64_t, uint32_t>) + 1;
    return pages_.memory_bytes() +
           static_cast<int64_t>(full_pages_ * sizeof(PageSlots) +
                                others_.capacity() * kEntryBytes);
  }

 private:
  static constexpr int64_t kPageRows = RowSet::kWordRows;

  using PageSlots = std::array<uint32_t, kPageRows>;
  struct Page {
    uint32_t SlotAt(int64_t place) const {
      return slots == nullptr ? first + static_cast<uint32_t>(place)
                              : (*slots)[place];
    }

    // A bit for each row that is there.
    uint64_t there = 0;
    // Of each row; null where they follow each other.
    std::unique_ptr<PageSlots> slots;
    // Then, of the page's first row, if that were there.
    uint32_t first = 0;
  };

  RowPages<Page> pages_;
  // Pages whose slots do not follow each other.
  int64_t full_pages_ = 0;
  // Of chunks that are not the first.
  absl::flat_hash_map<int64_t, uint32_t> others_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_TABLE_H_
