#ifndef ENGRAM_LIBS_HNSW_NODE_BITMAP_H_
#define ENGRAM_LIBS_HNSW_NODE_BITMAP_H_

#include <cstdint>

#include "absl/types/span.h"

namespace engram::hnsw {

// A set of nodes, borrowed: bit i % 64 of word i / 64 is node i. Nodes beyond
// the last word are not in it.
class NodeBitmap {
 public:
  explicit NodeBitmap(absl::Span<const uint64_t> words) : words_(words) {}

  bool Contains(uint32_t node) const {
    const uint32_t word = node / 64;
    return word < words_.size() && (words_[word] >> (node % 64) & 1) != 0;
  }

 private:
  absl::Span<const uint64_t> words_;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_NODE_BITMAP_H_
