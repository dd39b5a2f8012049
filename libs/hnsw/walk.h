// How a graph is walked, by searches over a finished one and by insertions into
// one that is being built. `Links` is one level:
//   static constexpr int kCapacity;   the most links of a list
//   List ListOf(id);                  list[i] is link i; it ends with kNoNode
//   uint32_t NodeOf(id);              whose codes are compared
//   void Prefetch(id);                the list will be read
// `Distances` is QueryDistances or NodeDistances.

#ifndef ENGRAM_LIBS_HNSW_WALK_H_
#define ENGRAM_LIBS_HNSW_WALK_H_

#include <cstdint>

#include "libs/hnsw/candidate_pool.h"
#include "libs/hnsw/graph.h"
#include "libs/hnsw/visited_set.h"

namespace engram::hnsw {

// A node or slot, and how far it is.
struct Link {
  uint32_t id = kNoNode;
  int32_t distance = 0;
};

// Goes from `start` to ever nearer neighbours, and returns where there is none:
// the paper's algorithm 2 for one candidate. Adds to `scored` how many
// distances it took.
template <typename Links, typename Distances>
Link WalkGreedily(const Links& links, const Distances& distances, Link start,
                  int64_t& scored) {
  while (true) {
    uint32_t ids[Links::kCapacity];
    uint32_t nodes[Links::kCapacity];
    int32_t found[Links::kCapacity];
    int count = 0;
    const auto list = links.ListOf(start.id);
    for (int i = 0; i < Links::kCapacity; ++i) {
      const uint32_t id = list[i];
      if (id == kNoNode) break;
      ids[count] = id;
      nodes[count] = links.NodeOf(id);
      distances.Prefetch(nodes[count]);
      ++count;
    }
    distances.Score(nodes, count, found);
    scored += count;
    Link nearest = start;
    for (int i = 0; i < count; ++i) {
      if (found[i] < nearest.distance) nearest = {ids[i], found[i]};
    }
    if (nearest.id == start.id) return start;
    start = nearest;
  }
}

// Walks one level from `start`, always on from the nearest candidate that it
// has not gone on from, until none is left among those that `pool` keeps: the
// paper's algorithm 2. Calls `on_scored(id, distance)` for each node met, once.
// `pool` and `visited` have been reset. Returns how many distances it took.
template <typename Links, typename Distances, typename OnScored>
int64_t WalkLevel(const Links& links, const Distances& distances, Link start,
                  CandidatePool& pool, VisitedSet& visited,
                  OnScored on_scored) {
  int64_t scored = 0;
  const VisitedSet::Marks marks = visited.marks();
  marks.Visit(start.id);
  pool.Add(start.id, start.distance);
  on_scored(start.id, start.distance);
  while (pool.HasNext()) {
    const uint32_t from = pool.TakeNext();
    uint32_t ids[Links::kCapacity];
    uint32_t nodes[Links::kCapacity];
    int32_t found[Links::kCapacity];
    int count = 0;
    const auto list = links.ListOf(from);
    for (int i = 0; i < Links::kCapacity; ++i) {
      const uint32_t id = list[i];
      if (id == kNoNode) break;
      // No branch: whether a node was visited cannot be predicted.
      ids[count] = id;
      count += marks.Visit(id) ? 1 : 0;
    }
    for (int i = 0; i < count; ++i) {
      nodes[i] = links.NodeOf(ids[i]);
      distances.Prefetch(nodes[i]);
    }
    // Where the walk goes on unless one of these is nearer.
    if (pool.HasNext()) links.Prefetch(pool.PeekNext());
    distances.Score(nodes, count, found);
    scored += count;
    for (int i = 0; i < count; ++i) {
      if (pool.Add(ids[i], found[i])) links.Prefetch(ids[i]);
      on_scored(ids[i], found[i]);
    }
  }
  return scored;
}

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_WALK_H_
