#ifndef ENGRAM_SERVICES_SEARCH_TOP_RECORDS_H_
#define ENGRAM_SERVICES_SEARCH_TOP_RECORDS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace engram::search {

// The best records seen so far, each once, by its best chunk. Not thread-safe.
//
// A scan offers few of its vectors: once the list is full, all but those that
// reach threshold() can be passed over without a call.
class TopRecords {
 public:
  struct Entry {
    // Larger is better.
    float score = 0;
    int chunk = 0;
    int64_t row = 0;
    absl::string_view id;
  };

  // `limit` is 1 or more.
  explicit TopRecords(int limit) : limit_(limit) {}

  // A score below this changes nothing. (One that equals it may: ties go by
  // id.)
  float threshold() const { return threshold_; }

  // `id` must outlive this object. A score that is not a number is the worst.
  void Offer(float score, int64_t row, int chunk, absl::string_view id) {
    const Entry entry{.score = std::isnan(score)
                                   ? -std::numeric_limits<float>::infinity()
                                   : score,
                      .chunk = chunk,
                      .row = row,
                      .id = id};
    if (entries_.size() == limit_ && !IsBetter(entry, entries_.back())) return;
    if (Has(row)) {
      const auto known =
          std::find_if(entries_.begin(), entries_.end(),
                       [row](const Entry& one) { return one.row == row; });
      if (!IsBetter(entry, *known)) return;
      entries_.erase(known);
    } else if (entries_.size() == limit_) {
      rows_.erase(entries_.back().row);
      entries_.pop_back();
    }
    // Mostly near the end: walks, and what compares codes, offer what is best
    // first.
    auto place = entries_.end();
    while (place != entries_.begin() && IsBetter(entry, place[-1])) --place;
    entries_.insert(place, entry);
    if (limit_ > kFew) rows_.insert(row);
    if (entries_.size() == limit_) threshold_ = entries_.back().score;
  }

  size_t size() const { return entries_.size(); }

  // Best first; good until the next offer.
  const std::vector<Entry>& Sorted() const { return entries_; }

 private:
  // To look at so many is faster than to hash.
  static constexpr size_t kFew = 64;

  static bool IsBetter(const Entry& a, const Entry& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.id != b.id) return a.id < b.id;
    return a.row != b.row ? a.row < b.row : a.chunk < b.chunk;
  }

  bool Has(int64_t row) const {
    if (limit_ > kFew) return rows_.contains(row);
    return std::any_of(entries_.begin(), entries_.end(),
                       [row](const Entry& one) { return one.row == row; });
  }

  const size_t limit_;
  // Best first.
  std::vector<Entry> entries_;
  // Of these, where they may be more than a few.
  absl::flat_hash_set<int64_t> rows_;
  float threshold_ = -std::numeric_limits<float>::infinity();
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_TOP_RECORDS_H_
