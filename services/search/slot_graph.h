#ifndef ENGRAM_SERVICES_SEARCH_SLOT_GRAPH_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_GRAPH_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "services/search/graph_segment.h"

namespace engram::search {

// Which slots of an index its graph knows: those below size(), each as one
// node. What changes leaves the graph, whose other nodes stay as they are: the
// index keeps such slots behind the others, where they are scanned. Not
// thread-safe, except that const methods may run beside each other.
class SlotGraph {
 public:
  static constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

  // Null where there is no graph.
  const std::shared_ptr<GraphSegment>& segment() const { return segment_; }

  // How many slots are in the graph.
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  // How many nodes stand for no slot any more.
  int64_t dead() const {
    return static_cast<int64_t>(slots_.size() - nodes_.size());
  }

  // The node of a slot that is in the graph.
  uint32_t NodeOf(uint32_t slot) const { return nodes_[slot]; }
  // The slot of a node, or kNoSlot.
  uint32_t SlotOf(uint32_t node) const { return slots_[node]; }

  // Takes `slot`, which is in the graph, out of it. The last slot of the graph
  // becomes that slot: its owner has to swap the two, and finds what was taken
  // out in the slot that is returned.
  uint32_t TakeOut(uint32_t slot) {
    slots_[nodes_[slot]] = kNoSlot;
    const auto last = size() - 1;
    if (slot != last) {
      nodes_[slot] = nodes_[last];
      slots_[nodes_[slot]] = slot;
    }
    nodes_.pop_back();
    return last;
  }

  // Begins anew, with no slot in the graph; null has none.
  void Reset(std::shared_ptr<GraphSegment> segment) {
    segment_ = std::move(segment);
    nodes_.clear();
    slots_.assign(segment_ == nullptr ? 0 : segment_->size(), kNoSlot);
  }
  // Has `segment`, whose nodes are the same, in place of the one there is.
  void Replace(std::shared_ptr<GraphSegment> segment) {
    segment_ = std::move(segment);
  }
  // The slot size() is `node`, and in the graph.
  void Append(uint32_t node) {
    slots_[node] = size();
    nodes_.push_back(node);
  }

  int64_t memory_bytes() const {
    const size_t own =
        (nodes_.capacity() + slots_.capacity()) * sizeof(uint32_t);
    return static_cast<int64_t>(own) +
           (segment_ == nullptr ? 0 : segment_->memory_bytes());
  }

 private:
  std::shared_ptr<GraphSegment> segment_;
  // The node of each slot that is in the graph.
  std::vector<uint32_t> nodes_;
  // The slot of each node.
  std::vector<uint32_t> slots_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_GRAPH_H_
