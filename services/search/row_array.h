#ifndef ENGRAM_SERVICES_SEARCH_ROW_ARRAY_H_
#define ENGRAM_SERVICES_SEARCH_ROW_ARRAY_H_

#include <array>
#include <cstdint>

#include "services/search/row_pages.h"

namespace engram::search {

// A value for each of some rows, of which Value() stands for none. Where nearly
// all rows are gone again, a page costs what a page costs. Not thread-safe.
template <typename Value>
class RowArray {
 public:
  // So many rows will come, most next to each other.
  void Reserve(int64_t rows) { pages_.Reserve(rows / kPageRows + 1); }

  // Value() if there is none.
  Value Get(int64_t row) const {
    const auto* const page = pages_.Find(row / kPageRows);
    return page == nullptr ? Value() : page->rows.values[row % kPageRows];
  }

  // `value` must not be Value().
  void Set(int64_t row, Value value) {
    Rows& rows = pages_.Add(row / kPageRows).rows;
    Value& place = rows.values[row % kPageRows];
    if (place == Value()) {
      ++rows.used;
      ++size_;
    }
    place = value;
  }

  // What is not there is no error.
  void Erase(int64_t row) {
    auto* const page = pages_.Find(row / kPageRows);
    if (page == nullptr) return;
    Value& place = page->rows.values[row % kPageRows];
    if (place == Value()) return;
    place = Value();
    --size_;
    if (--page->rows.used == 0) pages_.Erase(row / kPageRows);
  }

  // Tells a row that is there in half of its bytes, until it is erased.
  uint32_t PlaceOf(int64_t row) const {
    return pages_.PlaceOf(row / kPageRows) * kPageRows +
           static_cast<uint32_t>(row % kPageRows);
  }
  int64_t RowAt(uint32_t place) const {
    return pages_.At(place / kPageRows).number * kPageRows + place % kPageRows;
  }
  Value At(uint32_t place) const {
    return pages_.At(place / kPageRows).rows.values[place % kPageRows];
  }

  // Calls `visit(row, value)` with each, in no order; the value may be changed,
  // though not to Value().
  template <typename Visit>
  void ForEach(Visit visit) {
    for (auto& page : pages_.pages()) {
      if (page.rows.used == 0) continue;
      for (uint32_t i = 0; i < kPageRows; ++i) {
        if (page.rows.values[i] == Value()) continue;
        visit(page.number * kPageRows + i, page.rows.values[i]);
      }
    }
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    const_cast<RowArray*>(this)->ForEach(
        [&](int64_t row, const Value& value) { visit(row, value); });
  }

  int64_t size() const { return size_; }
  int64_t memory_bytes() const { return pages_.memory_bytes(); }

 private:
  static constexpr uint32_t kPageRows = 32;

  struct Rows {
    uint32_t used = 0;
    std::array<Value, kPageRows> values{};
  };

  RowPages<Rows> pages_;
  int64_t size_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_ROW_ARRAY_H_
