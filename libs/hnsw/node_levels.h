#ifndef ENGRAM_LIBS_HNSW_NODE_LEVELS_H_
#define ENGRAM_LIBS_HNSW_NODE_LEVELS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace engram::hnsw {

// Which levels the nodes of a new graph are on: one in sixteen on level 1, of
// these one in sixteen on level 2, and so on. Drawn from the nodes' numbers, so
// that it is known before anything is inserted, and the same each time.
struct NodeLevels {
  explicit NodeLevels(int64_t size);

  // Of the lists of a slot on its levels, counted from the first slot's.
  size_t ListOf(uint32_t slot, int level) const {
    return first_lists[slot] + level - 1;
  }
  size_t lists() const { return first_lists.back(); }

  // As in Graph::Parts.
  std::vector<uint32_t> upper_nodes;
  std::vector<uint8_t> upper_levels;
  // The first list of each slot, and how many lists there are.
  std::vector<size_t> first_lists;
  int top_level = 0;
  // The first node of the highest level, and its slot, if that is above 0.
  uint32_t entry_node = 0;
  uint32_t entry_slot = 0;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_NODE_LEVELS_H_
