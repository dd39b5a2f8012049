#ifndef ENGRAM_SERVICES_SEARCH_ROW_SET_H_
#define ENGRAM_SERVICES_SEARCH_ROW_SET_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace engram::search {

// Rows to be looked up, each once: a bit each, 64 of them to a word, and no
// word where there is none. Best added in order. Not thread-safe.
class RowSet {
 public:
  static constexpr int64_t kWordRows = 64;

  // Of the rows from number * kWordRows on those whose bits are set.
  struct Word {
    int64_t number = 0;
    uint64_t rows = 0;
  };

  RowSet() = default;
  explicit RowSet(absl::Span<const int64_t> rows) {
    for (const int64_t row : rows) Add(row, 1);
  }

  // So many words will come.
  void Reserve(size_t words) { words_.reserve(words); }

  // Adds the rows `first` + i whose bits i are set, of which none is there yet.
  void Add(int64_t first, uint64_t bits) {
    const int64_t shift = first % kWordRows;
    AddWord(first / kWordRows, bits << shift);
    if (shift > 0) {
      AddWord(first / kWordRows + 1, bits >> (kWordRows - shift));
    }
  }

  // Two may be of the same number, though not of the same rows.
  absl::Span<const Word> words() const { return words_; }

  // Calls `visit` with each row.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Word& word : words_) {
      for (uint64_t rest = word.rows; rest != 0; rest &= rest - 1) {
        visit(word.number * kWordRows + std::countr_zero(rest));
      }
    }
  }

  // Counts no further than it takes to know.
  bool HasMoreThan(int64_t count) const {
    if (static_cast<int64_t>(words_.size()) > count) return true;
    for (const Word& word : words_) count -= std::popcount(word.rows);
    return count < 0;
  }

  // About how many they are, as some words tell: to count all takes as long as
  // to look them up, where a processor's instruction for it may not be used.
  int64_t EstimatedSize() const {
    const size_t step = words_.size() / kCountedWords + 1;
    int64_t rows = 0;
    for (size_t i = 0; i < words_.size(); i += step) {
      rows += std::popcount(words_[i].rows) * static_cast<int64_t>(step);
    }
    return rows;
  }

 private:
  static constexpr size_t kCountedWords = 32;

  void AddWord(int64_t number, uint64_t rows) {
    if (rows == 0) return;
    if (!words_.empty() && words_.back().number == number) {
      words_.back().rows |= rows;
    } else {
      words_.push_back({number, rows});
    }
  }

  std::vector<Word> words_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_ROW_SET_H_
