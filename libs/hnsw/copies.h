#ifndef ENGRAM_LIBS_HNSW_COPIES_H_
#define ENGRAM_LIBS_HNSW_COPIES_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "libs/hnsw/code_view.h"
#include "libs/hnsw/graph.h"

namespace engram::hnsw {

// Which nodes have the same codes as an earlier one, the first of them. On
// level 0 a graph is built without these copies: near a hundred of them an
// insertion would find nothing else, and no list of links has room for all.
// Afterwards they are linked behind the first, one after the other. On the
// levels above, where walks to many equal vectors begin, they are like others.
class Copies {
 public:
  // `entry_node` counts as earlier than all others.
  Copies(const CodeView& codes, uint32_t entry_node);

  // The first of those equal to `node`, perhaps itself.
  uint32_t FirstOf(uint32_t node) const { return first_[node]; }
  bool Contains(uint32_t node) const { return first_[node] != node; }

  // Has each first node lead to its copies, and these to it. A walk that is to
  // find what is nearer than they are goes through all that it keeps: so each
  // has the links of one of the first's neighbours beside these. Where a list
  // is full, its last link is dropped.
  void Link(Graph::Parts& parts) const;

 private:
  std::vector<uint32_t> first_;
  // From each to the next of those that are equal.
  std::vector<std::pair<uint32_t, uint32_t>> nexts_;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_COPIES_H_
