#ifndef ENGRAM_SERVICES_SEARCH_SLOT_SET_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_SET_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace engram::search {

// A set of slots, one bit each: what a filter is evaluated with, as it is read
// bit by bit and joined word by word. Not thread-safe.
class SlotSet {
 public:
  static constexpr size_t kWordBits = 64;

  void Add(uint32_t slot) {
    const size_t word = slot / kWordBits;
    if (word >= words_.size()) words_.resize(word + 1);
    words_[word] |= uint64_t{1} << slot % kWordBits;
  }
  void Remove(uint32_t slot) {
    const size_t word = slot / kWordBits;
    if (word < words_.size())
      words_[word] &= ~(uint64_t{1} << slot % kWordBits);
  }
  bool Has(uint32_t slot) const {
    return (word(slot / kWordBits) >> slot % kWordBits & 1) != 0;
  }

  // Slots from 64 * `index` on; none beyond words().
  uint64_t word(size_t index) const {
    return index < words_.size() ? words_[index] : 0;
  }
  size_t words() const { return words_.size(); }
  // Adds the slots of a word.
  void AddWord(size_t index, uint64_t word) {
    if (word == 0) return;
    if (index >= words_.size()) words_.resize(index + 1);
    words_[index] |= word;
  }

  void Unite(const SlotSet& other) {
    if (words_.size() < other.words()) words_.resize(other.words());
    for (size_t i = 0; i < other.words(); ++i) words_[i] |= other.words_[i];
  }
  void Intersect(const SlotSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.word(i);
  }
  void Subtract(const SlotSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.word(i);
  }

  bool empty() const {
    return std::all_of(words_.begin(), words_.end(),
                       [](uint64_t word) { return word == 0; });
  }
  int64_t Count() const {
    int64_t count = 0;
    for (const uint64_t word : words_) count += std::popcount(word);
    return count;
  }

  // Calls `visit(index, word)` with each word that is not empty, ascending.
  template <typename Visit>
  void ForEachWord(Visit visit) const {
    const size_t size = words_.size();
    for (size_t i = 0; i < size;) {
      // Where few slots are, most words are empty.
      if (i + 4 <= size &&
          (words_[i] | words_[i + 1] | words_[i + 2] | words_[i + 3]) == 0) {
        i += 4;
        continue;
      }
      if (words_[i] != 0) visit(i, words_[i]);
      ++i;
    }
  }

  // Calls `visit` with each slot, ascending, until it returns false; whether it
  // never did.
  template <typename Visit>
  bool ForEach(Visit visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t rest = words_[i]; rest != 0; rest &= rest - 1) {
        const size_t slot = i * kWordBits + std::countr_zero(rest);
        if (!visit(static_cast<uint32_t>(slot))) return false;
      }
    }
    return true;
  }

  int64_t memory_bytes() const {
    return static_cast<int64_t>(words_.capacity() * sizeof(uint64_t));
  }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_SET_H_
