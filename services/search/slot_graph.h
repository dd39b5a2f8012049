#ifndef ENGRAM_SERVICES_SEARCH_SLOT_GRAPH_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_GRAPH_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "services/search/graph_segment.h"
#include "services/search/slot_set.h"

namespace engram::search {

// Which slots of an index its graph knows: those below size(), each as one
// node. What changes leaves the graph, whose other nodes stay as they are: the
// index keeps such slots behind the others, where they are scanned. A slot is
// the node of its own number unless it was moved since the graph was built, so
// only those that were take memory. Not thread-safe, except that const methods
// may run beside each other.
class SlotGraph {
 public:
  static constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

  // Null where there is no graph.
  const std::shared_ptr<GraphSegment>& segment() const { return segment_; }

  // How many slots are in the graph.
  uint32_t size() const { return size_; }
  // How many nodes stand for no slot any more.
  int64_t dead() const {
    return segment_ == nullptr ? 0 : segment_->size() - size_;
  }

  // The node of a slot that is in the graph.
  uint32_t NodeOf(uint32_t slot) const {
    const auto moved = moved_nodes_.find(slot);
    return moved == moved_nodes_.end() ? slot : moved->second;
  }
  // The slot of a node, or kNoSlot.
  uint32_t SlotOf(uint32_t node) const {
    if (!live_.Has(node)) return kNoSlot;
    const auto moved = moved_slots_.find(node);
    return moved == moved_slots_.end() ? node : moved->second;
  }

  // Takes `slot`, which is in the graph, out of it. The last slot of the graph
  // becomes that slot: its owner has to swap the two, and finds what was taken
  // out in the slot that is returned.
  uint32_t TakeOut(uint32_t slot) {
    const uint32_t last = size_ - 1;
    live_.Remove(NodeOf(slot));
    moved_slots_.erase(NodeOf(slot));
    if (slot != last) SetNode(slot, NodeOf(last));
    moved_nodes_.erase(last);
    size_ = last;
    return last;
  }

  // Begins anew, with no slot in the graph; null has none.
  void Reset(std::shared_ptr<GraphSegment> segment) {
    *this = SlotGraph();
    segment_ = std::move(segment);
  }
  // The slot size() is `node`, and in the graph.
  void Append(uint32_t node) {
    live_.Add(node);
    SetNode(size_, node);
    ++size_;
  }

  int64_t memory_bytes() const {
    constexpr size_t kEntryBytes = 2 * sizeof(uint32_t) + 1;
    const size_t moved =
        (moved_nodes_.capacity() + moved_slots_.capacity()) * kEntryBytes;
    return static_cast<int64_t>(moved) + live_.memory_bytes() +
           (segment_ == nullptr ? 0 : segment_->memory_bytes());
  }

 private:
  void SetNode(uint32_t slot, uint32_t node) {
    if (slot == node) {
      moved_nodes_.erase(slot);
      moved_slots_.erase(node);
    } else {
      moved_nodes_[slot] = node;
      moved_slots_[node] = slot;
    }
  }

  std::shared_ptr<GraphSegment> segment_;
  uint32_t size_ = 0;
  // The nodes that stand for a slot.
  SlotSet live_;
  // Where slot and node have different numbers: the one of the other.
  absl::flat_hash_map<uint32_t, uint32_t> moved_nodes_;
  absl::flat_hash_map<uint32_t, uint32_t> moved_slots_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_GRAPH_H_
