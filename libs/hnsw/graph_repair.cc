#include "libs/hnsw/graph_repair.h"

#include <cstddef>
#include <vector>

namespace engram::hnsw {
namespace {

class Repair {
 public:
  explicit Repair(Graph::Parts& parts)
      : parts_(parts),
        size_(
            static_cast<uint32_t>(parts.base_links.size() / Graph::kBaseLinks)),
        reached_(size_) {}

  int64_t Run() {
    if (size_ == 0) return 0;
    Reach(parts_.entry_node);
    int64_t repaired = 0;
    // A walk that begins elsewhere must find the entry node too.
    if (!entry_is_linked_ && size_ > 1) {
      repaired += LinkFromNeighbor(parts_.entry_node) ? 1 : 0;
    }
    // What one pass reaches may be what another node is linked with.
    for (bool changed = true; changed;) {
      changed = false;
      for (uint32_t node = 0; node < size_; ++node) {
        if (reached_[node] || !LinkFromNeighbor(node)) continue;
        Reach(node);
        changed = true;
        ++repaired;
      }
    }
    // Islands, of which no link leads to the rest.
    for (uint32_t node = 0; node < size_; ++node) {
      if (reached_[node]) continue;
      InsertBehind(parts_.entry_node, node);
      Reach(node);
      ++repaired;
    }
    return repaired;
  }

 private:
  uint32_t* LinksOf(uint32_t node) {
    return parts_.base_links.data() +
           static_cast<size_t>(node) * Graph::kBaseLinks;
  }
  int CountOf(uint32_t node) {
    const uint32_t* links = LinksOf(node);
    int count = 0;
    while (count < Graph::kBaseLinks && links[count] != kNoNode) ++count;
    return count;
  }

  // Marks what can be reached from `node`.
  void Reach(uint32_t node) {
    reached_[node] = true;
    pending_.push_back(node);
    while (!pending_.empty()) {
      const uint32_t from = pending_.back();
      pending_.pop_back();
      const int count = CountOf(from);
      for (int i = 0; i < count; ++i) {
        const uint32_t to = LinksOf(from)[i];
        if (to == parts_.entry_node) entry_is_linked_ = true;
        if (reached_[to]) continue;
        reached_[to] = true;
        pending_.push_back(to);
      }
    }
  }

  // Has a neighbour that is reached link back to `node`; false if none is.
  bool LinkFromNeighbor(uint32_t node) {
    uint32_t nearest = kNoNode;
    const int count = CountOf(node);
    for (int i = 0; i < count; ++i) {
      const uint32_t neighbor = LinksOf(node)[i];
      if (!reached_[neighbor]) continue;
      if (nearest == kNoNode) nearest = neighbor;
      if (const int used = CountOf(neighbor); used < Graph::kBaseLinks) {
        LinksOf(neighbor)[used] = node;
        return true;
      }
    }
    if (nearest == kNoNode) return false;
    InsertBehind(nearest, node);
    return true;
  }

  // Has `from` link to `node`, which is not reached yet; where there is no room
  // for that, `node` takes over the last of its links, so that nothing is cut
  // off. The link that `node` may lose for it leads to what others reach, or to
  // what is yet to be repaired.
  void InsertBehind(uint32_t from, uint32_t node) {
    uint32_t* links = LinksOf(from);
    const int used = CountOf(from);
    if (used < Graph::kBaseLinks) {
      links[used] = node;
      return;
    }
    const uint32_t last = links[Graph::kBaseLinks - 1];
    links[Graph::kBaseLinks - 1] = node;
    uint32_t* own = LinksOf(node);
    for (int i = 0; i < Graph::kBaseLinks; ++i) {
      if (own[i] == last) return;
    }
    const int own_used = CountOf(node);
    own[own_used < Graph::kBaseLinks ? own_used : own_used - 1] = last;
  }

  Graph::Parts& parts_;
  const uint32_t size_;
  std::vector<bool> reached_;
  bool entry_is_linked_ = false;
  std::vector<uint32_t> pending_;
};

}  // namespace

int64_t RepairGraph(Graph::Parts& parts) { return Repair(parts).Run(); }

}  // namespace engram::hnsw
