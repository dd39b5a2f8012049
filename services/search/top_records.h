#ifndef ENGRAM_SERVICES_SEARCH_TOP_RECORDS_H_
#define ENGRAM_SERVICES_SEARCH_TOP_RECORDS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
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
    int64_t row = 0;
    int chunk = 0;
    absl::string_view id;
  };

  // `limit` is 1 or more.
  explicit TopRecords(int limit) : limit_(limit) {}

  // A score below this changes nothing. (One that equals it may: ties go by
  // id.)
  float threshold() const { return threshold_; }

  // `id` must outlive this object. A score that is not a number is the worst.
  void Offer(float score, int64_t row, int chunk, absl::string_view id) {
    const Entry entry{
        std::isnan(score) ? -std::numeric_limits<float>::infinity() : score,
        row, chunk, id};
    const auto [known, added] = by_row_.try_emplace(row);
    if (!added) {
      if (!Better()(entry, *known->second)) return;
      entries_.erase(known->second);
    }
    known->second = entries_.insert(entry).first;
    if (entries_.size() > limit_) {
      by_row_.erase(std::prev(entries_.end())->row);
      entries_.erase(std::prev(entries_.end()));
    }
    if (entries_.size() == limit_) threshold_ = entries_.rbegin()->score;
  }

  size_t size() const { return entries_.size(); }

  // Best first.
  std::vector<Entry> Sorted() const {
    return {entries_.begin(), entries_.end()};
  }

 private:
  struct Better {
    bool operator()(const Entry& a, const Entry& b) const {
      if (a.score != b.score) return a.score > b.score;
      if (a.id != b.id) return a.id < b.id;
      return a.row != b.row ? a.row < b.row : a.chunk < b.chunk;
    }
  };
  using Entries = std::set<Entry, Better>;

  const size_t limit_;
  Entries entries_;
  absl::flat_hash_map<int64_t, Entries::iterator> by_row_;
  float threshold_ = -std::numeric_limits<float>::infinity();
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_TOP_RECORDS_H_
