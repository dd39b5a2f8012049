#ifndef ENGRAM_LIBS_HNSW_GRAPH_H_
#define ENGRAM_LIBS_HNSW_GRAPH_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/hnsw/huge_array.h"

namespace engram::hnsw {

// Stands for no node in a list of links.
inline constexpr uint32_t kNoNode = 0xffffffff;

// A hierarchical navigable small world graph (Malkov and Yashunin 2016,
// "Efficient and robust approximate nearest neighbor search using Hierarchical
// Navigable Small World graphs"): every node is on level 0, one in sixteen on
// level 1 too, and so on. It knows nothing of what the nodes are.
//
// Immutable, so any number of threads may walk it. docs/design/graph_index.md
// draws the layout.
class Graph {
 public:
  // M of the paper: the most links of a node on a level above 0, and on level
  // 0.
  static constexpr int kUpperLinks = 16;
  static constexpr int kBaseLinks = 2 * kUpperLinks;

  // What a graph is made of. A list of links that is not full ends with
  // kNoNode. Levels above 0 have numbers of their own, slots, so that walking
  // there looks nothing up.
  struct Parts {
    // kBaseLinks nodes for each node.
    HugeArray<uint32_t> base_links;
    // The nodes that are on levels above 0, ascending: slot i is
    // upper_nodes[i].
    std::vector<uint32_t> upper_nodes;
    // The highest level of each slot, 1 at least.
    std::vector<uint8_t> upper_levels;
    // For each slot, for each of its levels from 1 on, kUpperLinks slots.
    std::vector<uint32_t> upper_links;
    // A node of the highest level; kNoNode where there are no nodes.
    uint32_t entry_node = kNoNode;
  };

  // A graph without nodes.
  Graph() = default;

  // Takes parts that may come from a file: `DataLoss`, naming the part, unless
  // every list and the entry node are such that no walk leaves the graph.
  static absl::StatusOr<Graph> Create(Parts parts);

  const Parts& parts() const { return parts_; }
  int64_t size() const {
    return static_cast<int64_t>(parts_.base_links.size() / kBaseLinks);
  }
  int64_t memory_bytes() const;

  // The highest level; where it is above 0, a slot on it.
  int top_level() const { return top_level_; }
  uint32_t entry_slot() const { return entry_slot_; }

  // The links of a node, kBaseLinks of them.
  const uint32_t* BaseLinks(uint32_t node) const {
    return parts_.base_links.data() + static_cast<size_t>(node) * kBaseLinks;
  }
  // The links of a slot on one of its levels, kUpperLinks of them.
  const uint32_t* UpperLinks(uint32_t slot, int level) const {
    return parts_.upper_links.data() +
           (upper_offsets_[slot] + level - 1) * kUpperLinks;
  }
  uint32_t NodeOf(uint32_t slot) const { return parts_.upper_nodes[slot]; }

 private:
  absl::Status CheckBase() const;
  absl::Status CheckUpper() const;

  Parts parts_;
  // The first list of each slot, counted in lists.
  std::vector<size_t> upper_offsets_;
  int top_level_ = 0;
  uint32_t entry_slot_ = kNoNode;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_GRAPH_H_
