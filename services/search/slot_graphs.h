#ifndef ENGRAM_SERVICES_SEARCH_SLOT_GRAPHS_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_GRAPHS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "services/search/graph_segment.h"
#include "services/search/slot_set.h"

namespace engram::search {

// The graphs of an index. A large one takes minutes to build; what came since
// is in a small one, which is built anew every few seconds if need be.
enum class Tier : uint8_t { kLarge, kSmall };

inline constexpr Tier kTiers[] = {Tier::kLarge, Tier::kSmall};

// Which slots of an index its graphs know, each as one node: those below
// size(), first those of the large graph. What changes leaves its graph, whose
// other nodes stay as they are: the index keeps such slots behind the others,
// where they are scanned. The slots of a graph are numbered as its nodes,
// unless they were moved since it was built, so only those that were take
// memory. Not thread-safe, except that const methods may run beside each other.
class SlotGraphs {
 public:
  static constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

  // Null where there is no such graph.
  const std::shared_ptr<GraphSegment>& segment(Tier tier) const {
    return Of(tier).segment;
  }

  // How many slots are in graphs.
  uint32_t size() const { return size(Tier::kLarge) + size(Tier::kSmall); }
  uint32_t size(Tier tier) const { return Of(tier).size; }
  // How many nodes stand for no slot any more.
  int64_t dead(Tier tier) const {
    const Graph& graph = Of(tier);
    return graph.segment == nullptr ? 0 : graph.segment->size() - graph.size;
  }

  // The graph that a slot is in, and its node there.
  Tier TierOf(uint32_t slot) const {
    return slot < size(Tier::kLarge) ? Tier::kLarge : Tier::kSmall;
  }
  uint32_t NodeOf(uint32_t slot) const { return Of(TierOf(slot)).NodeOf(slot); }
  // The nodes of those of `slots`, all of them below `end`, that are in that
  // graph; in `room`, which has room for as many, unless they are the slots.
  absl::Span<const uint32_t> NodesOf(Tier tier,
                                     absl::Span<const uint32_t> slots,
                                     uint32_t end,
                                     absl::Span<uint32_t> room) const {
    const Graph& graph = Of(tier);
    const uint32_t begin = tier == Tier::kLarge ? 0 : size(Tier::kLarge);
    if (begin == 0 && end <= graph.size && graph.origin == 0 &&
        graph.moved_nodes.empty()) {
      return slots;
    }
    size_t count = 0;
    for (const uint32_t slot : slots) {
      // No branch, no call: there may be a hundred thousand.
      room[count] = slot;
      count += slot - begin < graph.size ? 1 : 0;
    }
    const absl::Span<uint32_t> nodes = room.first(count);
    if (graph.moved_nodes.empty()) {
      for (uint32_t& node : nodes) node -= graph.origin;
    } else {
      for (uint32_t& node : nodes) node = graph.NodeOf(node);
    }
    return nodes;
  }
  // The slot of a node, or kNoSlot.
  uint32_t SlotOf(Tier tier, uint32_t node) const {
    return Of(tier).SlotOf(node);
  }

  // Takes `slot`, which is in a graph, out of it, and returns the slot that it
  // becomes, the first behind all that are in graphs. For this up to two others
  // change places with it: its owner has to swap what it keeps of them.
  uint32_t TakeOut(uint32_t slot,
                   absl::FunctionRef<void(uint32_t, uint32_t)> swap) {
    Graph& large = Of(Tier::kLarge);
    Graph& small = Of(Tier::kSmall);
    const auto fill_from = [&](uint32_t last, Graph& graph) {
      if (slot == last) return;
      graph.Move(last, slot);
      swap(slot, last);
      slot = last;
    };
    if (TierOf(slot) == Tier::kLarge) {
      large.Drop(slot);
      fill_from(--large.size, large);
      // Here the small graph's slots begin now, with a hole.
    } else {
      small.Drop(slot);
      --small.size;
    }
    fill_from(size(), small);
    return slot;
  }

  // Takes another graph, or none, and begins anew where its slots begin, with
  // no slot in it or in what follows.
  void Reset(Tier tier, std::shared_ptr<GraphSegment> segment) {
    if (tier == Tier::kLarge) {
      Of(tier) = Graph{.segment = std::move(segment)};
      segment = std::move(Of(Tier::kSmall).segment);
    }
    Of(Tier::kSmall) = Graph{.segment = std::move(segment)};
  }
  // Has `segment`, whose nodes are the same, in place of the one there is.
  void Replace(Tier tier, std::shared_ptr<GraphSegment> segment) {
    Of(tier).segment = std::move(segment);
  }
  // The slot size() is `node` of that graph. The large graph's come first.
  void Append(Tier tier, uint32_t node) {
    Graph& graph = Of(tier);
    if (graph.size == 0) graph.origin = size();
    graph.live.Add(node);
    graph.Set(size(), node);
    ++graph.size;
  }

  // Of which code_bytes() are codes.
  int64_t memory_bytes() const {
    constexpr size_t kEntryBytes = 2 * sizeof(uint32_t) + 1;
    int64_t bytes = 0;
    for (const Graph& graph : graphs_) {
      const size_t moved =
          graph.moved_nodes.capacity() + graph.moved_slots.capacity();
      bytes += static_cast<int64_t>(moved * kEntryBytes);
      bytes += graph.live.memory_bytes();
      if (graph.segment != nullptr) bytes += graph.segment->memory_bytes();
    }
    return bytes;
  }
  int64_t code_bytes() const {
    int64_t bytes = 0;
    for (const Graph& graph : graphs_) {
      if (graph.segment != nullptr) bytes += graph.segment->code_bytes();
    }
    return bytes;
  }

 private:
  struct Graph {
    uint32_t NodeOf(uint32_t slot) const {
      const auto moved = moved_nodes.find(slot);
      return moved == moved_nodes.end() ? slot - origin : moved->second;
    }
    uint32_t SlotOf(uint32_t node) const {
      if (!live.Has(node)) return kNoSlot;
      const auto moved = moved_slots.find(node);
      return moved == moved_slots.end() ? node + origin : moved->second;
    }
    void Set(uint32_t slot, uint32_t node) {
      if (slot == node + origin) {
        moved_nodes.erase(slot);
        moved_slots.erase(node);
      } else {
        moved_nodes[slot] = node;
        moved_slots[node] = slot;
      }
    }
    // The slot's node stands for none any more.
    void Drop(uint32_t slot) {
      const uint32_t node = NodeOf(slot);
      live.Remove(node);
      moved_slots.erase(node);
      moved_nodes.erase(slot);
    }
    // What slot `from` was, `to` is.
    void Move(uint32_t from, uint32_t to) {
      const uint32_t node = NodeOf(from);
      moved_nodes.erase(from);
      Set(to, node);
    }

    std::shared_ptr<GraphSegment> segment;
    uint32_t size = 0;
    // The slot of node 0, unless it was moved.
    uint32_t origin = 0;
    // The nodes that stand for a slot.
    SlotSet live;
    // Of those that were moved: the one of the other.
    absl::flat_hash_map<uint32_t, uint32_t> moved_nodes;
    absl::flat_hash_map<uint32_t, uint32_t> moved_slots;
  };

  Graph& Of(Tier tier) { return graphs_[static_cast<int>(tier)]; }
  const Graph& Of(Tier tier) const { return graphs_[static_cast<int>(tier)]; }

  // By tier.
  Graph graphs_[2];
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_GRAPHS_H_
