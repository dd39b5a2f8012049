#ifndef ENGRAM_SERVICES_SEARCH_SLOT_GRAPHS_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_GRAPHS_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "services/search/graph_segment.h"

namespace engram::search {

// The graphs of an index. A large one takes minutes to build; what came since
// is in a small one, which is built anew every few seconds if need be.
enum class Tier : uint8_t { kLarge, kSmall };

inline constexpr Tier kTiers[] = {Tier::kLarge, Tier::kSmall};

// Which slots of an index its graphs know, each as one node: those below
// size(), first those of the large graph. What changes leaves its graph, whose
// other nodes stay as they are: the index keeps such slots behind the others,
// where they are scanned. Not thread-safe, except that const methods may run
// beside each other.
class SlotGraphs {
 public:
  static constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

  // Null where there is no such graph.
  const std::shared_ptr<GraphSegment>& segment(Tier tier) const {
    return Of(tier).segment;
  }

  // How many slots are in graphs.
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  uint32_t size(Tier tier) const { return Of(tier).size; }
  // How many nodes stand for no slot any more.
  int64_t dead(Tier tier) const {
    return static_cast<int64_t>(Of(tier).slots.size()) - Of(tier).size;
  }

  // The graph that a slot is in, and its node there.
  Tier TierOf(uint32_t slot) const {
    return slot < size(Tier::kLarge) ? Tier::kLarge : Tier::kSmall;
  }
  uint32_t NodeOf(uint32_t slot) const { return nodes_[slot]; }
  // The slot of a node, or kNoSlot.
  uint32_t SlotOf(Tier tier, uint32_t node) const {
    return Of(tier).slots[node];
  }

  // Takes `slot`, which is in a graph, out of it, and returns the slot that it
  // becomes, the first behind all that are in graphs. For this up to two others
  // change places with it: its owner has to swap what it keeps of them.
  uint32_t TakeOut(uint32_t slot,
                   absl::FunctionRef<void(uint32_t, uint32_t)> swap) {
    Of(TierOf(slot)).slots[nodes_[slot]] = kNoSlot;
    if (TierOf(slot) == Tier::kLarge) {
      slot = FillFromLast(slot, size(Tier::kLarge) - 1, Tier::kLarge, swap);
      --Of(Tier::kLarge).size;
      // The hole is where the small graph begins now.
      ++Of(Tier::kSmall).size;
    }
    slot = FillFromLast(slot, size() - 1, Tier::kSmall, swap);
    --Of(Tier::kSmall).size;
    nodes_.pop_back();
    return slot;
  }

  // Takes another graph, or none, and begins anew where its slots begin, with
  // no slot in it or in what follows.
  void Reset(Tier tier, std::shared_ptr<GraphSegment> segment) {
    Of(tier).segment = std::move(segment);
    if (tier == Tier::kLarge) {
      nodes_ = std::vector<uint32_t>();
      Clear(Of(Tier::kLarge));
    }
    nodes_.resize(size(Tier::kLarge));
    Clear(Of(Tier::kSmall));
  }
  // The slot size() is `node` of that graph. The large graph's come first.
  void Append(Tier tier, uint32_t node) {
    Of(tier).slots[node] = size();
    ++Of(tier).size;
    nodes_.push_back(node);
  }

  // Of which code_bytes() are codes.
  int64_t memory_bytes() const {
    auto bytes = static_cast<int64_t>(nodes_.capacity() * sizeof(uint32_t));
    for (const Graph& graph : graphs_) {
      bytes += static_cast<int64_t>(graph.slots.capacity() * sizeof(uint32_t));
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
    std::shared_ptr<GraphSegment> segment;
    uint32_t size = 0;
    // The slot of each node.
    std::vector<uint32_t> slots;
  };

  Graph& Of(Tier tier) { return graphs_[static_cast<int>(tier)]; }
  const Graph& Of(Tier tier) const { return graphs_[static_cast<int>(tier)]; }

  static void Clear(Graph& graph) {
    graph.size = 0;
    // Anew, as one that has shrunk should take less memory.
    graph.slots = std::vector<uint32_t>(
        graph.segment == nullptr ? 0 : graph.segment->size(), kNoSlot);
  }

  // Has the last slot of a graph take the place of `hole`, and returns where
  // the hole is then.
  uint32_t FillFromLast(uint32_t hole, uint32_t last, Tier tier,
                        absl::FunctionRef<void(uint32_t, uint32_t)> swap) {
    if (hole == last) return hole;
    nodes_[hole] = nodes_[last];
    Of(tier).slots[nodes_[hole]] = hole;
    swap(hole, last);
    return last;
  }

  // By tier.
  Graph graphs_[2];
  // The node of each slot that is in a graph.
  std::vector<uint32_t> nodes_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_GRAPHS_H_
