#ifndef ENGRAM_SERVICES_SEARCH_ROW_PAGES_H_
#define ENGRAM_SERVICES_SEARCH_ROW_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace engram::search {

// Pages of so many rows that lie next to each other, those of a page in `Rows`.
// Rows are given out one after the other, so there are few pages for them: a
// hash table of all rows would cost two to four times as much. Not thread-safe.
template <typename Rows>
class RowPages {
 public:
  struct Page {
    // How many pages are before it, those that are not there counted; negative
    // if it is not used.
    int64_t number = -1;
    Rows rows;
  };

  // So many pages will come: saves making room for them again and again.
  void Reserve(int64_t pages) {
    pages_.reserve(pages);
    place_of_.reserve(pages);
  }

  // Null if there is none.
  const Page* Find(int64_t number) const {
    const auto found = place_of_.find(number);
    return found == place_of_.end() ? nullptr : &pages_[found->second];
  }
  Page* Find(int64_t number) {
    return const_cast<Page*>(std::as_const(*this).Find(number));
  }

  // The same, for one who looks up many. `ahead` is by how much the number of
  // the page found last exceeds its place, at first anything, and becomes this
  // one's: pages follow each other as rows do, so few have to be looked for.
  const Page* FindNext(int64_t number, int64_t& ahead) const {
    const auto place = static_cast<size_t>(number - ahead);
    if (place < pages_.size() && pages_[place].number == number) {
      return &pages_[place];
    }
    const Page* const page = Find(number);
    if (page != nullptr) ahead = number - (page - pages_.data());
    return page;
  }

  // Makes the page if there is none. Others may move for it.
  Page& Add(int64_t number) {
    const auto [found, added] = place_of_.try_emplace(number);
    if (!added) return pages_[found->second];
    if (free_.empty()) {
      found->second = static_cast<uint32_t>(pages_.size());
      pages_.emplace_back();
    } else {
      found->second = free_.back();
      free_.pop_back();
    }
    Page& page = pages_[found->second];
    page.number = number;
    return page;
  }

  // Takes a page that is there away.
  void Erase(int64_t number) {
    const auto found = place_of_.find(number);
    pages_[found->second] = Page();
    free_.push_back(found->second);
    place_of_.erase(found);
  }

  // Tells a page that is there in half of its number's bytes, until it is
  // erased.
  uint32_t PlaceOf(int64_t number) const { return place_of_.at(number); }
  const Page& At(uint32_t place) const { return pages_[place]; }

  // All, in no order, and some that are not used.
  std::vector<Page>& pages() { return pages_; }

  int64_t memory_bytes() const {
    // One control byte a place beside the entry itself.
    constexpr size_t kEntryBytes =
        sizeof(std::pair<const int64_t, uint32_t>) + 1;
    return static_cast<int64_t>(pages_.capacity() * sizeof(Page) +
                                free_.capacity() * sizeof(uint32_t) +
                                place_of_.capacity() * kEntryBytes);
  }

 private:
  std::vector<Page> pages_;
  // The places of those that are not used.
  std::vector<uint32_t> free_;
  // In `pages_`, of the page of each number.
  absl::flat_hash_map<int64_t, uint32_t> place_of_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_ROW_PAGES_H_
