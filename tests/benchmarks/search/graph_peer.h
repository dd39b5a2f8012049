// What the graph of another engine looks like to hnsw_benchmark. Each is a
// shared library, made on the spot by make_peers.sh, because nothing of theirs
// is kept here.

#ifndef ENGRAM_TESTS_BENCHMARKS_SEARCH_GRAPH_PEER_H_
#define ENGRAM_TESTS_BENCHMARKS_SEARCH_GRAPH_PEER_H_

#include <cstdint>

extern "C" {

struct EngramGraphPeer {
  const char* name;
  // Builds an index over unit vectors, `threads` inserting, with M 16 and
  // efConstruction 200, what they recommend.
  void* (*build)(const float* rows, int64_t count, int dimensions, int threads);
  // Writes the `limit` nearest by inner product, nearest first.
  void (*search)(void* index, const float* query, int limit, int width,
                 uint32_t* found);
  void (*free)(void* index);
};

// What a library exports.
const EngramGraphPeer* engram_graph_peer();
}

#endif  // ENGRAM_TESTS_BENCHMARKS_SEARCH_GRAPH_PEER_H_
