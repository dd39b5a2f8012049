// What the graph of another engine looks like to hnsw_benchmark. Each is a
// shared library, made on the spot by make_peers.sh, because nothing of theirs
// is kept here.

#ifndef ENGRAM_TESTS_BENCHMARKS_SEARCH_GRAPH_PEER_H_
#define ENGRAM_TESTS_BENCHMARKS_SEARCH_GRAPH_PEER_H_

#include <cstdint>

extern "C" {

// Unit vectors, back to back, which outlive the index that is built over them.
struct EngramPeerVectors {
  const float* rows;
  int64_t count;
  int dimensions;
};

struct EngramGraphPeer {
  // With the version.
  const char* name;
  // Peers that search one graph in different ways share it; a word that can be
  // part of a file's name.
  const char* graph;
  // Builds an index, `threads` inserting, with M 16 or 32 links a node, and
  // whatever else they recommend.
  void* (*build)(const EngramPeerVectors* vectors, int threads);
  // Keep what took time to build, and take it from there, so that a
  // measurement does not have to wait for it.
  void (*save)(void* index, const char* path);
  void* (*load)(const EngramPeerVectors* vectors, const char* path);
  // Writes the `limit` nearest, nearest first.
  void (*search)(void* index, const float* query, int limit, int width,
                 uint32_t* found);
  void (*free)(void* index);
};

// What a library exports.
const EngramGraphPeer* engram_graph_peer();
}

#endif  // ENGRAM_TESTS_BENCHMARKS_SEARCH_GRAPH_PEER_H_
