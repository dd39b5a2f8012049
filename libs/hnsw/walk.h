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

// The neighbours of a node that a walk had not met before.
template <int kCapacity>
struct NewNeighbors {
  int count = 0;
  uint32_t ids[kCapacity];
  uint32_t nodes[kCapacity];
};

// Replaces `neighbors` by those of `id`, visits them, and has their codes
// fetched.
template <typename Links, typename Distances>
void FetchNeighbors(const Links& links, const Distances& distances, uint32_t id,
                    const VisitedSet::Marks& marks,
                    NewNeighbors<Links::kCapacity>& neighbors) {
  int count = 0;
  const auto list = links.ListOf(id);
  for (int i = 0; i < Links::kCapacity; ++i) {
    const uint32_t neighbor = list[i];
    if (neighbor == kNoNode) break;
    // No branch: whether a node was visited cannot be predicted.
    neighbors.ids[count] = neighbor;
    count += marks.Visit(neighbor) ? 1 : 0;
  }
  for (int i = 0; i < count; ++i) {
    neighbors.nodes[i] = links.NodeOf(neighbors.ids[i]);
    distances.Prefetch(neighbors.nodes[i]);
  }
  neighbors.count = count;
}

// Walks one level from `start`, on from the nearest candidate that it has not
// gone on from, until none is left among those that `pool` keeps: the paper's
// algorithm 2. Calls `on_scored(id, distance)` for each node met, once. `pool`
// and `visited` have been reset. Returns how many distances it took.
//
// It goes on from three candidates at once, each a step ahead of the other: the
// list of the first is being fetched, and the codes of the second's neighbours,
// while those of the third's are scored. So it hardly waits for memory. That
// the nearest candidate is one of two steps ago takes a narrow walk a tenth
// more distances, by which it finds more.
template <typename Links, typename Distances, typename OnScored>
int64_t WalkLevel(const Links& links, const Distances& distances, Link start,
                  CandidatePool& pool, VisitedSet& visited,
                  OnScored on_scored) {
  int64_t scored = 0;
  const VisitedSet::Marks marks = visited.marks();
  marks.Visit(start.id);
  pool.Add(start.id, start.distance);
  on_scored(start.id, start.distance);
  NewNeighbors<Links::kCapacity> neighbors[2];
  uint32_t second = kNoNode;
  for (int turn = 0;; turn ^= 1) {
    const uint32_t first = pool.HasNext() ? pool.TakeNext() : kNoNode;
    if (first != kNoNode) links.Prefetch(first);
    auto& of_second = neighbors[turn];
    of_second.count = 0;
    if (second != kNoNode) {
      FetchNeighbors(links, distances, second, marks, of_second);
    }
    const auto& of_third = neighbors[turn ^ 1];
    if (first == kNoNode && second == kNoNode && of_third.count == 0) break;
    second = first;
    int32_t found[Links::kCapacity];
    distances.Score(of_third.nodes, of_third.count, found);
    scored += of_third.count;
    for (int i = 0; i < of_third.count; ++i) {
      pool.Add(of_third.ids[i], found[i]);
      on_scored(of_third.ids[i], found[i]);
    }
  }
  return scored;
}

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_WALK_H_
