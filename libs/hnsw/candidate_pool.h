#ifndef ENGRAM_LIBS_HNSW_CANDIDATE_POOL_H_
#define ENGRAM_LIBS_HNSW_CANDIDATE_POOL_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace engram::hnsw {

// The nearest nodes that a walk has found, in order, and which of them it has
// gone on from. One sorted array of 64-bit entries in place of the two heaps of
// the paper: a comparison is one of integers, and equal distances order by
// number, so a walk is the same each time.
class CandidatePool {
 public:
  // Empties the pool, and has it keep the nearest `capacity` (1 at least).
  void Reset(int capacity) {
    if (entries_.size() < static_cast<size_t>(capacity)) {
      entries_.resize(capacity);
    }
    capacity_ = capacity;
    size_ = 0;
    next_ = 0;
  }

  int size() const { return size_; }
  int32_t distance(int i) const {
    return static_cast<int32_t>(static_cast<uint32_t>(entries_[i] >> 32) ^
                                kSign);
  }
  uint32_t node(int i) const { return static_cast<uint32_t>(entries_[i]) >> 1; }

  // Adds `node`, below 2^31, that was not added before, if it is near enough.
  void Add(uint32_t node, int32_t distance) {
    const uint64_t entry =
        uint64_t{static_cast<uint32_t>(distance) ^ kSign} << 32 | uint64_t{node}
                                                                      << 1;
    if (size_ == capacity_) {
      if (entry >= entries_[size_ - 1]) return;
      --size_;
    }
    // From the far end: moving and searching are one loop, which is faster
    // than a binary search, whose every step waits for the one before. Of a
    // large pool most are moved by eight.
    constexpr int kStride = 8;
    int position = size_++;
    for (; position >= kStride && entries_[position - kStride] > entry;
         position -= kStride) {
      uint64_t moved[kStride];
      std::memcpy(moved, &entries_[position - kStride], sizeof(moved));
      std::memcpy(&entries_[position - kStride + 1], moved, sizeof(moved));
    }
    for (; position > 0 && entries_[position - 1] > entry; --position) {
      entries_[position] = entries_[position - 1];
    }
    entries_[position] = entry;
    if (position < next_) next_ = position;
  }

  // Whether there is a node that the walk has not gone on from.
  bool HasNext() {
    while (next_ < size_ && (entries_[next_] & kTaken) != 0) ++next_;
    return next_ < size_;
  }
  // The nearest of these, if HasNext().
  uint32_t TakeNext() {
    entries_[next_] |= kTaken;
    return node(next_++);
  }

 private:
  static constexpr uint32_t kSign = 0x80000000;
  static constexpr uint64_t kTaken = 1;

  // Distance, node, and whether it was taken, from the highest bit down.
  std::vector<uint64_t> entries_;
  int capacity_ = 0;
  int size_ = 0;
  // Every entry before it was taken.
  int next_ = 0;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_CANDIDATE_POOL_H_
