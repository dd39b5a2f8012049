#ifndef ENGRAM_LIBS_HNSW_GRAPH_BUILDER_H_
#define ENGRAM_LIBS_HNSW_GRAPH_BUILDER_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/graph.h"

namespace engram::hnsw {

struct GraphBuildOptions {
  // How many threads insert, the caller's being one of them; 1 at least. With
  // one, the same codes give the same graph.
  int threads = 1;
  // efConstruction of the paper: how many candidates an insertion keeps. Time
  // grows with it, and recall where clusters are hard to tell apart.
  int width = 130;
  // Asked at the start and now and then, by the caller's thread, with how many
  // nodes have been inserted; to return false ends the build. None means that
  // it is not.
  std::function<bool(int64_t inserted)> go_on;
};

// Builds a graph over `codes`, by insertion of one node after the other (the
// paper's algorithm 1), in parallel. Every node can be reached from the entry
// node. `Cancelled` if `go_on` said so.
//
// Besides the codes it takes 335 bytes a node and 130 for the graph while it
// runs, and `threads` bytes a node.
absl::StatusOr<Graph> BuildGraph(const CodeView& codes,
                                 const GraphBuildOptions& options);

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_GRAPH_BUILDER_H_
