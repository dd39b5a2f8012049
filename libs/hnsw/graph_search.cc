#include "libs/hnsw/graph_search.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "libs/hnsw/code_distances.h"
#include "libs/hnsw/prefetch.h"
#include "libs/hnsw/walk.h"

namespace engram::hnsw {
namespace {

// Distances order as unsigned numbers with this bit the other way.
constexpr uint32_t kSign = 0x80000000;

struct BaseLevel {
  static constexpr int kCapacity = Graph::kBaseLinks;
  const Graph& graph;

  const uint32_t* ListOf(uint32_t node) const { return graph.BaseLinks(node); }
  uint32_t NodeOf(uint32_t node) const { return node; }
  void Prefetch(uint32_t node) const {
    hnsw::Prefetch(graph.BaseLinks(node), kCapacity * sizeof(uint32_t));
  }
};

struct UpperLevel {
  static constexpr int kCapacity = Graph::kUpperLinks;
  const Graph& graph;
  int level;

  const uint32_t* ListOf(uint32_t slot) const {
    return graph.UpperLinks(slot, level);
  }
  uint32_t NodeOf(uint32_t slot) const { return graph.NodeOf(slot); }
};

// Returns the node of level 0 to begin at: the nearest that going down the
// levels above it finds.
Link FindStart(const Graph& graph, const QueryDistances& distances,
               int64_t& scored) {
  Link start = {.id = graph.top_level() > 0 ? graph.entry_slot()
                                            : graph.parts().entry_node};
  const uint32_t node = graph.parts().entry_node;
  distances.Score(&node, 1, &start.distance);
  ++scored;
  for (int level = graph.top_level(); level > 0; --level) {
    start = WalkGreedily(UpperLevel{graph, level}, distances, start, scored);
  }
  if (graph.top_level() > 0) start.id = graph.NodeOf(start.id);
  return start;
}

}  // namespace

void SearchGraph(const Graph& graph, const CodeView& codes,
                 const EncodedQuery& query, const GraphSearchOptions& options,
                 SearchScratch& scratch, GraphSearchResult& result) {
  result.nodes.clear();
  result.distances = 0;
  if (graph.size() == 0) return;
  const QueryDistances distances(codes, query);
  const Link start = FindStart(graph, distances, result.distances);
  scratch.visited.Reset(graph.size());
  if (options.hidden != kNoNode) {
    scratch.visited.marks().Visit(options.hidden);
  }
  scratch.candidates.Reset(options.width);
  const auto walk = [&](auto on_scored) {
    result.distances +=
        WalkLevel(BaseLevel{graph}, distances, start, scratch.candidates,
                  scratch.visited, on_scored);
  };
  if (options.filter == nullptr && options.limit <= options.width) {
    walk([](uint32_t, int32_t) {});
    const CandidatePool& found = scratch.candidates;
    const int count = std::min(found.size(), options.limit);
    for (int i = 0; i < count; ++i) {
      result.nodes.push_back({found.node(i), query.ScoreOf(found.distance(i))});
    }
    return;
  }
  // Sorted at the end, for hundreds would be moved with each that is nearer.
  std::vector<uint64_t>& scored = scratch.scored;
  scored.clear();
  walk([&](uint32_t node, int32_t distance) {
    if (options.filter == nullptr || options.filter->Contains(node)) {
      scored.push_back(uint64_t{static_cast<uint32_t>(distance) ^ kSign} << 32 |
                       node);
    }
  });
  const auto end =
      scored.begin() + std::min<ptrdiff_t>(scored.size(), options.limit);
  std::nth_element(scored.begin(), end, scored.end());
  std::sort(scored.begin(), end);
  for (auto entry = scored.begin(); entry != end; ++entry) {
    const auto distance =
        static_cast<int32_t>(static_cast<uint32_t>(*entry >> 32) ^ kSign);
    result.nodes.push_back(
        {static_cast<uint32_t>(*entry), query.ScoreOf(distance)});
  }
}

ScratchPool::Lease ScratchPool::Take() {
  std::unique_ptr<SearchScratch> scratch;
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      scratch = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (scratch == nullptr) scratch = std::make_unique<SearchScratch>();
  return {this, std::move(scratch)};
}

void ScratchPool::Return(std::unique_ptr<SearchScratch> scratch) {
  absl::MutexLock lock(&mutex_);
  idle_.push_back(std::move(scratch));
}

}  // namespace engram::hnsw
