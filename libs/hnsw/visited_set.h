#ifndef ENGRAM_LIBS_HNSW_VISITED_SET_H_
#define ENGRAM_LIBS_HNSW_VISITED_SET_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace engram::hnsw {

// Which nodes a walk has seen: a stamp a node that names the walk, so that a
// new walk clears nothing, but for one in 255. One byte each, because a walk
// reads them in no order and they should stay in the cache.
class VisitedSet {
 public:
  // Starts a walk over `size` nodes: none is visited.
  void Reset(size_t size) {
    if (stamps_.size() < size) {
      stamps_.assign(size, 0);
      walk_ = 0;
    }
    if (++walk_ == 0) {
      std::fill(stamps_.begin(), stamps_.end(), 0);
      walk_ = 1;
    }
  }

  // Marks nodes, for one walk. Held by value: what is written through it is
  // bytes, which might be anything to the compiler, members of its own too.
  class Marks {
   public:
    // Marks `node`, and returns whether it was not yet.
    bool Visit(uint32_t node) const {
      const bool first = stamps_[node] != walk_;
      stamps_[node] = walk_;
      return first;
    }

   private:
    friend class VisitedSet;
    Marks(uint8_t* stamps, uint8_t walk) : stamps_(stamps), walk_(walk) {}

    uint8_t* stamps_;
    uint8_t walk_;
  };
  // Good until the next Reset.
  Marks marks() { return {stamps_.data(), walk_}; }

  size_t memory_bytes() const { return stamps_.capacity(); }

 private:
  std::vector<uint8_t> stamps_;
  uint8_t walk_ = 0;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_VISITED_SET_H_
