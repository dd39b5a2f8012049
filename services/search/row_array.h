#ifndef ENGRAM_SERVICES_SEARCH_ROW_ARRAY_H_
#define ENGRAM_SERVICES_SEARCH_ROW_ARRAY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace engram::search {

// A value for each of some rows, of which Value() stands for none. Rows are
// given out one after the other, so they lie page by page: a hash table of all
// would cost two to four times as much. Where nearly all rows are gone again, a
// page costs what a page costs. Not thread-safe.
template <typename Value>
class RowArray {
 public:
  // So many rows will come, most next to each other: saves making room for them
  // again and again.
  void Reserve(int64_t rows) {
    pages_.reserve(rows / kPageRows + 1);
    page_of_.reserve(rows / kPageRows + 1);
  }

  // Value() if there is none.
  Value Get(int64_t row) const {
    const auto page = page_of_.find(row / kPageRows);
    return page == page_of_.end()
               ? Value()
               : pages_[page->second].values[row % kPageRows];
  }

  // `value` must not be Value().
  void Set(int64_t row, Value value) {
    Page& page = pages_[AddPage(row / kPageRows)];
    Value& place = page.values[row % kPageRows];
    if (place == Value()) {
      ++page.used;
      ++size_;
    }
    place = value;
  }

  // What is not there is no error.
  void Erase(int64_t row) {
    const auto found = page_of_.find(row / kPageRows);
    if (found == page_of_.end()) return;
    Page& page = pages_[found->second];
    Value& place = page.values[row % kPageRows];
    if (place == Value()) return;
    place = Value();
    --size_;
    if (--page.used > 0) return;
    page.number = kNone;
    free_.push_back(found->second);
    page_of_.erase(found);
  }

  // Tells a row that is there in half of its bytes, until it is erased.
  uint32_t PlaceOf(int64_t row) const {
    return page_of_.at(row / kPageRows) * kPageRows +
           static_cast<uint32_t>(row % kPageRows);
  }
  int64_t RowAt(uint32_t place) const {
    return pages_[place / kPageRows].number * kPageRows + place % kPageRows;
  }
  Value At(uint32_t place) const {
    return pages_[place / kPageRows].values[place % kPageRows];
  }

  // Calls `visit(row, value)` with each, in no order; the value may be changed,
  // though not to Value().
  template <typename Visit>
  void ForEach(Visit visit) {
    for (Page& page : pages_) {
      if (page.used == 0) continue;
      for (uint32_t i = 0; i < kPageRows; ++i) {
        if (page.values[i] == Value()) continue;
        visit(page.number * kPageRows + i, page.values[i]);
      }
    }
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    const_cast<RowArray*>(this)->ForEach(
        [&](int64_t row, const Value& value) { visit(row, value); });
  }

  int64_t size() const { return size_; }
  int64_t memory_bytes() const {
    // One control byte a place beside the entry itself.
    constexpr size_t kEntryBytes =
        sizeof(std::pair<const int64_t, uint32_t>) + 1;
    return static_cast<int64_t>(pages_.capacity() * sizeof(Page) +
                                free_.capacity() * sizeof(uint32_t) +
                                page_of_.capacity() * kEntryBytes);
  }

 private:
  static constexpr uint32_t kPageRows = 32;

  // Of a page that is not used.
  static constexpr int64_t kNone = -1;

  struct Page {
    // The first row is so many pages from row 0.
    int64_t number = kNone;
    uint32_t used = 0;
    std::array<Value, kPageRows> values{};
  };

  // The place of a page, which is made if there is none.
  uint32_t AddPage(int64_t number) {
    const auto [found, added] = page_of_.try_emplace(number);
    if (!added) return found->second;
    if (free_.empty()) {
      found->second = static_cast<uint32_t>(pages_.size());
      pages_.emplace_back();
    } else {
      found->second = free_.back();
      free_.pop_back();
    }
    pages_[found->second].number = number;
    return found->second;
  }

  std::vector<Page> pages_;
  // Those of `pages_` that are not used.
  std::vector<uint32_t> free_;
  // The place in `pages_` of the page of each number.
  absl::flat_hash_map<int64_t, uint32_t> page_of_;
  int64_t size_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_ROW_ARRAY_H_
