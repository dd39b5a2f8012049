#ifndef ENGRAM_SERVICES_STORAGE_GRAPH_WALK_H_
#define ENGRAM_SERVICES_STORAGE_GRAPH_WALK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/storage/edge_reader.h"
#include "services/storage/graph_limits.h"
#include "services/storage/node_filter.h"

namespace engram::storage {

// A node that a walk came to.
struct WalkedNode {
  std::string id;
  // The fewest edges to it.
  int depth = 0;
  // The smallest of the nodes before it on such a way.
  std::string from;
};

// An edge that a walk went along.
struct WalkedEdge {
  std::string id;
  std::string source;
  std::string target;
  std::string kind;
};

// How far a walk goes, from where, and which way.
struct WalkPlan {
  // Sorted, each once.
  std::vector<std::string> start;
  // By which of their ends edges are met: kSource to follow them, kTarget to go
  // against them.
  std::vector<EdgeEnd> ends;
  int max_depth = 1;
  int max_nodes = 100;
};

struct GraphWalk {
  // Nearest first, then by id; without the start nodes.
  std::vector<WalkedNode> nodes;
  // How many levels were looked for: from nodes that are as far as the last one
  // nobody went on.
  int levels = 0;
  // There is more than the plan or the limits let through.
  bool truncated = false;
};

// Walks, level by level. A `filter` that is not null says which nodes there
// are, start nodes aside.
absl::StatusOr<GraphWalk> WalkGraph(EdgeReader& edges, NodeFilter* filter,
                                    const WalkPlan& plan,
                                    const GraphLimits& limits);

struct WalkedEdges {
  // By id.
  std::vector<WalkedEdge> edges;
  // There are more than the limits let through.
  bool truncated = false;
};

// Reads the edges that a walk went along, between its nodes and those that it
// began at; as many as fit `max_bytes`. `edges` reads all columns.
absl::StatusOr<WalkedEdges> ReadWalkedEdges(EdgeReader& edges,
                                            const WalkPlan& plan,
                                            const GraphWalk& walk,
                                            size_t max_bytes,
                                            const GraphLimits& limits);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GRAPH_WALK_H_
