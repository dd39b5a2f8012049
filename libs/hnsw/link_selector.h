#ifndef ENGRAM_LIBS_HNSW_LINK_SELECTOR_H_
#define ENGRAM_LIBS_HNSW_LINK_SELECTOR_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "libs/hnsw/code_distances.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/walk.h"

namespace engram::hnsw {

// Chooses which neighbours of a node it is linked with: the paper's algorithm
// 4. Where that leaves room, pruned ones are kept if they pass the milder rule
// of Vamana (Subramanya and others 2019). For one thread.
class LinkSelector {
 public:
  // Borrows `codes`, and `slots`, which says which node each id is, or is null
  // where ids are nodes.
  LinkSelector(const CodeView& codes, const uint32_t* slots)
      : codes_(codes), from_(codes), slots_(slots) {}

  // Leaves in `links`, of distances from one node, at most `most` (kMost at
  // most): from the nearest on, those that are no nearer to one that was chosen
  // before, so that they lie in different directions; then, again from the
  // nearest on, those that are not much nearer to one. In this order, or the
  // latter would take the place of the far ones that lead out of a cluster. Of
  // equal vectors only one: links among a hundred copies would leave no way out
  // from them.
  void Select(std::vector<Link>& links, int most) {
    for (const Link& link : links) from_.Prefetch(NodeOf(link.id));
    std::sort(links.begin(), links.end(), [](const Link& a, const Link& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
    });
    chosen_.clear();
    pruned_.clear();
    for (size_t i = 0; i < links.size() && Count() < most; ++i) {
      const uint32_t node = NodeOf(links[i].id);
      if (IsCopy(node, links[i].distance)) continue;
      from_.From(node);
      const std::optional<int32_t> nearer = FindNearer(links[i].distance);
      if (!nearer.has_value()) {
        Choose(links[i], node);
      } else if (*nearer >= from_.MuchNearer(node, links[i].distance)) {
        pruned_.push_back(links[i]);
      }
    }
    for (size_t i = 0; i < pruned_.size() && Count() < most; ++i) {
      const uint32_t node = NodeOf(pruned_[i].id);
      if (IsCopy(node, pruned_[i].distance)) continue;
      from_.From(node);
      if (!FindNearer(from_.MuchNearer(node, pruned_[i].distance))) {
        Choose(pruned_[i], node);
      }
    }
    links.swap(chosen_);
  }

  static constexpr int kMost = 32;

 private:
  uint32_t NodeOf(uint32_t id) const {
    return slots_ == nullptr ? id : slots_[id];
  }

  int Count() const { return static_cast<int>(chosen_.size()); }
  void Choose(const Link& link, uint32_t node) {
    nodes_[chosen_.size()] = node;
    chosen_.push_back(link);
  }

  // Whether a chosen node has the same codes; then it is as far.
  bool IsCopy(uint32_t node, int32_t distance) const {
    for (size_t i = chosen_.size(); i > 0; --i) {
      if (chosen_[i - 1].distance != distance) return false;
      if (std::memcmp(codes_.Row(nodes_[i - 1]), codes_.Row(node),
                      codes_.row_bytes()) == 0) {
        return true;
      }
    }
    return false;
  }

  // Returns how near a chosen node is to that of `from_`, if one is nearer than
  // `distance`. Four at a time, because most are turned down by one of the
  // first.
  std::optional<int32_t> FindNearer(int32_t distance) const {
    for (int i = 0; i < Count(); i += 4) {
      const int count = std::min(4, Count() - i);
      int32_t distances[4];
      from_.Score(nodes_.data() + i, count, distances);
      const int32_t least = *std::min_element(distances, distances + count);
      if (least < distance) return least;
    }
    return std::nullopt;
  }

  const CodeView& codes_;
  NodeDistances from_;
  const uint32_t* slots_;
  std::vector<Link> chosen_;
  // Of each of `chosen_`.
  std::array<uint32_t, kMost> nodes_;
  // Those that are nearer to a chosen one, but not by much.
  std::vector<Link> pruned_;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_LINK_SELECTOR_H_
