// SymphonyQG as a peer; compiled by make_peers.sh, outside of our build.

#include <cstdint>
#include <memory>

#include "qg/qg.hpp"
#include "qg/qg_builder.hpp"
#include "tests/benchmarks/search/graph_peer.h"

namespace {

struct Index {
  explicit Index(const EngramPeerVectors& vectors)
      : graph(vectors.count, /*max_deg=*/32, vectors.dimensions) {}

  symqg::QuantizedGraph graph;
  int width = 0;
};

void* Build(const EngramPeerVectors* vectors, int threads) {
  auto index = std::make_unique<Index>(*vectors);
  symqg::QGBuilder builder(index->graph, /*ef_build=*/200, vectors->rows,
                           threads);
  builder.build(/*num_iter=*/3);
  return index.release();
}

void Save(void* index, const char* path) {
  static_cast<Index*>(index)->graph.save_index(path);
}

void* Load(const EngramPeerVectors* vectors, const char* path) {
  auto* index = new Index(*vectors);
  index->graph.load_index(path);
  return index;
}

void Search(void* opaque, const float* query, int limit, int width,
            uint32_t* found) {
  auto* index = static_cast<Index*>(opaque);
  // Allocates.
  if (index->width != width) index->graph.set_ef(width);
  index->width = width;
  index->graph.search(query, limit, found);
}

void Free(void* index) { delete static_cast<Index*>(index); }

}  // namespace

extern "C" const EngramGraphPeer* engram_graph_peer() {
  static constexpr EngramGraphPeer kPeer = {
      "SymphonyQG", "symphonyqg", Build, Save, Load, Search, Free};
  return &kPeer;
}
