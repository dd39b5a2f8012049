#ifndef ENGRAM_LIBS_HNSW_LINK_SELECTOR_H_
#define ENGRAM_LIBS_HNSW_LINK_SELECTOR_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "libs/hnsw/code_distances.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/walk.h"

namespace engram::hnsw {

// Chooses which neighbours of a node it is linked with: the paper's algorithm
// 4, without pruned ones being kept. For one thread.
class LinkSelector {
 public:
  // Borrows `codes`, and `slots`, which says which node each id is, or is null
  // where ids are nodes.
  LinkSelector(const CodeView& codes, const uint32_t* slots)
      : codes_(codes), from_(codes), slots_(slots) {}

  // Leaves in `links`, of distances from one node, at most `most` (kMost at
  // most): from the nearest on, those that are no nearer to one that was chosen
  // before, so that they lie in different directions. Of equal vectors only
  // one: links among a hundred copies would leave no way out from them.
  void Select(std::vector<Link>& links, int most) {
    std::sort(links.begin(), links.end(), [](const Link& a, const Link& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
    });
    int chosen = 0;
    for (size_t i = 0; i < links.size() && chosen < most; ++i) {
      const uint32_t node = NodeOf(links[i].id);
      if (IsCopy(node, links[i].distance,
                 absl::MakeSpan(links).first(chosen)) ||
          IsNearerToAny(node, links[i].distance, chosen)) {
        continue;
      }
      nodes_[chosen] = node;
      links[chosen++] = links[i];
    }
    links.resize(chosen);
  }

  static constexpr int kMost = 32;

 private:
  uint32_t NodeOf(uint32_t id) const {
    return slots_ == nullptr ? id : slots_[id];
  }

  // Whether a chosen node has the same codes; then it is as far.
  bool IsCopy(uint32_t node, int32_t distance,
              absl::Span<const Link> chosen) const {
    for (size_t i = chosen.size(); i > 0; --i) {
      if (chosen[i - 1].distance != distance) return false;
      if (std::memcmp(codes_.Row(nodes_[i - 1]), codes_.Row(node),
                      codes_.row_bytes()) == 0) {
        return true;
      }
    }
    return false;
  }

  // Whether a chosen node is nearer to `node` than `distance`. Four at a time,
  // because most are turned down by one of the first.
  bool IsNearerToAny(uint32_t node, int32_t distance, int chosen) {
    if (chosen == 0) return false;
    from_.From(node);
    for (int i = 0; i < chosen; i += 4) {
      const int count = std::min(4, chosen - i);
      int32_t distances[4];
      from_.Score(nodes_.data() + i, count, distances);
      for (int j = 0; j < count; ++j) {
        if (distances[j] < distance) return true;
      }
    }
    return false;
  }

  const CodeView& codes_;
  NodeDistances from_;
  const uint32_t* slots_;
  std::array<uint32_t, kMost> nodes_;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_LINK_SELECTOR_H_
