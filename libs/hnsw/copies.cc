#include "libs/hnsw/copies.h"

#include <algorithm>
#include <cstddef>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace engram::hnsw {

Copies::Copies(const CodeView& codes, uint32_t entry_node)
    : first_(codes.size) {
  const auto row_of = [&](uint32_t node) {
    return absl::string_view(reinterpret_cast<const char*>(codes.Row(node)),
                             codes.row_bytes());
  };
  struct Row {
    size_t hash;
    bool is_entry;
    uint32_t node;
  };
  std::vector<Row> rows;
  rows.reserve(codes.size);
  for (uint32_t node = 0; node < codes.size; ++node) {
    rows.push_back({absl::HashOf(row_of(node)), node == entry_node, node});
  }
  // Equal ones side by side, the first of them before the others.
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    return a.is_entry != b.is_entry ? a.is_entry : a.node < b.node;
  });
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint32_t node = rows[i].node;
    first_[node] = node;
    if (i == 0 || rows[i].hash != rows[i - 1].hash) continue;
    const uint32_t before = rows[i - 1].node;
    if (row_of(node) != row_of(before)) continue;
    first_[node] = first_[before];
    nexts_.emplace_back(before, node);
  }
}

void Copies::Link(Graph::Parts& parts) const {
  constexpr int kRest = Graph::kBaseLinks - 1;
  const auto links_of = [&](uint32_t node) {
    return parts.base_links.data() +
           static_cast<size_t>(node) * Graph::kBaseLinks;
  };
  int place = 0;
  for (const auto& [node, next] : nexts_) {
    const uint32_t first = first_[next];
    if (node == first) place = 0;
    uint32_t* const links = links_of(node);
    std::copy_backward(links, links + kRest, links + Graph::kBaseLinks);
    links[0] = next;
    links_of(next)[0] = first;
    // Behind its own first copy.
    const uint32_t* const neighbors = links_of(first) + 1;
    const auto count =
        std::find(neighbors, neighbors + kRest, kNoNode) - neighbors;
    if (count == 0) continue;
    std::copy_n(links_of(neighbors[place++ % count]), kRest,
                links_of(next) + 1);
  }
}

}  // namespace engram::hnsw
