#ifndef ENGRAM_SERVICES_STORAGE_GRAPH_LIMITS_H_
#define ENGRAM_SERVICES_STORAGE_GRAPH_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace engram::storage {

// What one call over a graph may take, however large the graph is.
struct GraphLimits {
  // The most edges that it looks at before it answers with what it has: some
  // second's work.
  int64_t edges = 1'000'000;
  // The most that it counts: a count of a part is none.
  int64_t counted_edges = 10'000'000;
  // The most bytes of nodes that it holds at once, other than for the answer.
  size_t held_bytes = 64 << 20;
  // The most bytes of its answer: clients take messages of 4 MiB.
  size_t answer_bytes = 3 << 20;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GRAPH_LIMITS_H_
