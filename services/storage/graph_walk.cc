#include "services/storage/graph_walk.h"

#include <iterator>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "libs/status/status_macros.h"
#include "services/storage/graph_level.h"

namespace engram::storage {
namespace {

using NodeSet = absl::flat_hash_set<std::string>;

// What an edge takes beside its texts.
constexpr size_t kEdgeBytes = 32;

// Finds the nodes beside `frontier` that are not `known`.
absl::Status ReadLevel(EdgeReader& edges, absl::Span<const EdgeEnd> ends,
                       absl::Span<const std::string> frontier,
                       const NodeSet& known, bool has_room, GraphLevel& level) {
  for (const EdgeEnd near : ends) {
    RETURN_IF_ERROR(edges.Visit(
        near, frontier, [&](const EdgeView& edge) -> absl::StatusOr<bool> {
          if (known.contains(edge.far)) return true;
          RETURN_IF_ERROR(level.Add(edge.far, edge.near));
          // Where none is wanted any more, it is enough to know of one.
          return has_room || !level.overflowed();
        }));
  }
  return level.Finish();
}

// The edges with the smallest ids, as many as there is room for.
class EdgeCollector {
 public:
  explicit EdgeCollector(size_t max_bytes) : max_bytes_(max_bytes) {}

  void Add(WalkedEdge edge) {
    if (cutoff_.has_value() && edge.id >= *cutoff_) return;
    const size_t bytes = BytesOf(edge);
    std::string id = edge.id;
    // One between two nodes of the walk is met from both.
    if (!edges_.try_emplace(std::move(id), std::move(edge)).second) return;
    bytes_ += bytes;
    while (bytes_ > max_bytes_) {
      const auto last = std::prev(edges_.end());
      bytes_ -= BytesOf(last->second);
      cutoff_ = last->first;
      edges_.erase(last);
    }
  }

  bool overflowed() const { return cutoff_.has_value(); }

  std::vector<WalkedEdge> Take() {
    std::vector<WalkedEdge> edges;
    edges.reserve(edges_.size());
    for (auto& [id, edge] : edges_) edges.push_back(std::move(edge));
    return edges;
  }

 private:
  static size_t BytesOf(const WalkedEdge& edge) {
    return edge.id.size() + edge.source.size() + edge.target.size() +
           edge.kind.size() + kEdgeBytes;
  }

  const size_t max_bytes_;
  absl::btree_map<std::string, WalkedEdge> edges_;
  size_t bytes_ = 0;
  // The smallest id that there was no room for.
  std::optional<std::string> cutoff_;
};

WalkedEdge EdgeFrom(EdgeEnd near, const EdgeView& edge) {
  const bool from_source = near == EdgeEnd::kSource;
  return {.id = std::string(edge.id),
          .source = std::string(from_source ? edge.near : edge.far),
          .target = std::string(from_source ? edge.far : edge.near),
          .kind = std::string(edge.kind)};
}

}  // namespace

absl::StatusOr<GraphWalk> WalkGraph(EdgeReader& edges, NodeFilter* filter,
                                    const WalkPlan& plan,
                                    const GraphLimits& limits) {
  edges.Allow(limits.edges);
  GraphWalk walk;
  NodeSet known(plan.start.begin(), plan.start.end());
  std::vector<std::string> frontier = plan.start;
  size_t room = limits.answer_bytes;
  for (int depth = 1; depth <= plan.max_depth && !frontier.empty(); ++depth) {
    const size_t wanted = plan.max_nodes - walk.nodes.size();
    GraphLevel level(wanted, room, filter);
    RETURN_IF_ERROR(
        ReadLevel(edges, plan.ends, frontier, known, wanted > 0, level));
    frontier.clear();
    for (const auto& [id, from] : level.nodes()) {
      walk.nodes.push_back({.id = id, .depth = depth, .from = from});
      known.insert(id);
      frontier.push_back(id);
    }
    room -= level.bytes();
    walk.levels = depth;
    walk.truncated = level.overflowed() || edges.spent();
    if (walk.truncated) break;
  }
  return walk;
}

absl::StatusOr<WalkedEdges> ReadWalkedEdges(EdgeReader& edges,
                                            const WalkPlan& plan,
                                            const GraphWalk& walk,
                                            size_t max_bytes,
                                            const GraphLimits& limits) {
  edges.Allow(limits.edges);
  NodeSet ends(plan.start.begin(), plan.start.end());
  std::vector<std::string> passed = plan.start;
  for (const WalkedNode& node : walk.nodes) {
    ends.insert(node.id);
    if (node.depth < walk.levels) passed.push_back(node.id);
  }
  EdgeCollector collector(max_bytes);
  for (const EdgeEnd near : plan.ends) {
    RETURN_IF_ERROR(edges.Visit(
        near, passed, [&](const EdgeView& edge) -> absl::StatusOr<bool> {
          if (ends.contains(edge.far)) collector.Add(EdgeFrom(near, edge));
          return true;
        }));
  }
  return WalkedEdges{.edges = collector.Take(),
                     .truncated = edges.spent() || collector.overflowed()};
}

}  // namespace engram::storage
