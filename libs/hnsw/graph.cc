#include "libs/hnsw/graph.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/hnsw/code_view.h"
#include "libs/status/status_macros.h"

namespace engram::hnsw {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... what) {
  return absl::DataLossError(absl::StrCat("graph: ", what...));
}

// Returns the index of the first of `capacity` links that is wrong: not below
// `bound`, or behind the end of the list; `capacity` if none is.
int FirstWrongLink(const uint32_t* links, int capacity, uint64_t bound) {
  bool ended = false;
  for (int i = 0; i < capacity; ++i) {
    if (links[i] == kNoNode) {
      ended = true;
    } else if (ended || links[i] >= bound) {
      return i;
    }
  }
  return capacity;
}

}  // namespace

absl::StatusOr<Graph> Graph::Create(Parts parts) {
  Graph graph;
  graph.parts_ = std::move(parts);
  RETURN_IF_ERROR(graph.CheckBase());
  const Parts& made = graph.parts_;
  if (made.upper_levels.size() != made.upper_nodes.size()) {
    return Broken(made.upper_levels.size(), " levels for ",
                  made.upper_nodes.size(), " upper nodes");
  }
  size_t lists = 0;
  for (size_t slot = 0; slot < made.upper_nodes.size(); ++slot) {
    graph.upper_offsets_.push_back(lists);
    lists += made.upper_levels[slot];
    graph.top_level_ = std::max<int>(graph.top_level_, made.upper_levels[slot]);
    if (made.upper_nodes[slot] == made.entry_node) {
      graph.entry_slot_ = static_cast<uint32_t>(slot);
    }
  }
  if (made.upper_links.size() != lists * kUpperLinks) {
    return Broken(made.upper_links.size(), " upper links, not ", lists, " * ",
                  kUpperLinks);
  }
  RETURN_IF_ERROR(graph.CheckUpper());
  return graph;
}

absl::Status Graph::CheckBase() const {
  const size_t links = parts_.base_links.size();
  if (links % kBaseLinks != 0 || size() > kMaxNodes) {
    return Broken(links, " links on level 0, not ", kBaseLinks,
                  " for each of at most ", kMaxNodes, " nodes");
  }
  if (size() == 0 ? parts_.entry_node != kNoNode
                  : parts_.entry_node >= size()) {
    return Broken("entry node ", parts_.entry_node, " of ", size(), " nodes");
  }
  for (int64_t node = 0; node < size(); ++node) {
    const uint32_t* list = BaseLinks(static_cast<uint32_t>(node));
    if (const int i = FirstWrongLink(list, kBaseLinks, size());
        i < kBaseLinks) {
      return Broken("link ", i, " of node ", node, " is ", list[i]);
    }
  }
  return absl::OkStatus();
}

absl::Status Graph::CheckUpper() const {
  const size_t slots = parts_.upper_nodes.size();
  for (size_t slot = 0; slot < slots; ++slot) {
    const uint32_t node = parts_.upper_nodes[slot];
    if (node >= size() || (slot > 0 && parts_.upper_nodes[slot - 1] >= node)) {
      return Broken("upper node ", slot, " is ", node);
    }
    const int levels = parts_.upper_levels[slot];
    if (levels < 1) return Broken("upper node ", slot, " has no level");
    for (int level = 1; level <= levels; ++level) {
      const uint32_t* list = UpperLinks(static_cast<uint32_t>(slot), level);
      int wrong = FirstWrongLink(list, kUpperLinks, slots);
      for (int i = 0; i < wrong && list[i] != kNoNode; ++i) {
        // A walk would read the links that this slot has not got.
        if (parts_.upper_levels[list[i]] < level) wrong = i;
      }
      if (wrong < kUpperLinks) {
        return Broken("link ", wrong, " of slot ", slot, " on level ", level,
                      " is ", list[wrong]);
      }
    }
  }
  if (top_level_ > 0 && (entry_slot_ == kNoNode ||
                         parts_.upper_levels[entry_slot_] != top_level_)) {
    return Broken("entry node ", parts_.entry_node, " is not on level ",
                  top_level_);
  }
  return absl::OkStatus();
}

int64_t Graph::memory_bytes() const {
  return static_cast<int64_t>(parts_.base_links.bytes() +
                              parts_.upper_nodes.capacity() * sizeof(uint32_t) +
                              parts_.upper_levels.capacity() +
                              parts_.upper_links.capacity() * sizeof(uint32_t) +
                              upper_offsets_.capacity() * sizeof(size_t));
}

}  // namespace engram::hnsw
