// pyglass as a peer; compiled by make_peers.sh, outside of our build. Its graph
// is built from 8-bit codes, as its authors advise, and searched by PEER_CODES,
// with exact scores of half as many again as are wanted.

#include <omp.h>

#include <memory>
#include <utility>

#include "glass/builder.hpp"
#include "glass/hnsw/hnsw.hpp"
#include "glass/searcher/graph_searcher.hpp"
#include "tests/benchmarks/search/graph_peer.h"

namespace {

struct Index {
  EngramPeerVectors vectors;
  // Given to the searcher by the first search.
  glass::Graph<int32_t> graph;
  std::unique_ptr<glass::GraphSearcherBase> searcher;
};

void* Build(const EngramPeerVectors* vectors, int threads) {
  omp_set_num_threads(threads);
  auto builder = glass::create_hnsw("IP", "SQ8U", /*R=*/32, /*L=*/200);
  return new Index{
      *vectors,
      builder->Build(vectors->rows, static_cast<int32_t>(vectors->count),
                     vectors->dimensions),
      nullptr};
}

void Save(void* index, const char* path) {
  static_cast<Index*>(index)->graph.save(path);
}

void* Load(const EngramPeerVectors* vectors, const char* path) {
  auto* index = new Index{*vectors, {}, nullptr};
  index->graph.load(path, "glass");
  return index;
}

void MakeSearcher(Index& index) {
  index.searcher =
      glass::create_searcher(std::move(index.graph), "IP", PEER_CODES, "FP32");
  index.searcher->SetData(index.vectors.rows,
                          static_cast<int32_t>(index.vectors.count),
                          index.vectors.dimensions);
  omp_set_num_threads(1);
  index.searcher->SetEf(32);
  // Tries out how far ahead to fetch.
  index.searcher->Optimize(1);
}

void Search(void* opaque, const float* query, int limit, int width,
            uint32_t* found) {
  auto* index = static_cast<Index*>(opaque);
  if (index->searcher == nullptr) MakeSearcher(*index);
  index->searcher->SetEf(width);
  index->searcher->Search(query, limit, reinterpret_cast<int32_t*>(found));
}

void Free(void* index) { delete static_cast<Index*>(index); }

}  // namespace

extern "C" const EngramGraphPeer* engram_graph_peer() {
  static constexpr EngramGraphPeer kPeer = {"pyglass " PEER_VERSION
                                            " " PEER_CODES,
                                            "pyglass",
                                            Build,
                                            Save,
                                            Load,
                                            Search,
                                            Free};
  return &kPeer;
}
