// hnswlib as a peer; compiled by make_peers.sh, outside of our build.

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "hnswlib/hnswlib.h"
#include "tests/benchmarks/search/graph_peer.h"

namespace {

struct Index {
  explicit Index(const EngramPeerVectors& vectors)
      : space(vectors.dimensions),
        graph(&space, vectors.count, /*M=*/16, /*ef=*/200) {}
  Index(const EngramPeerVectors& vectors, const char* path)
      : space(vectors.dimensions), graph(&space, std::string(path)) {}

  hnswlib::InnerProductSpace space;
  hnswlib::HierarchicalNSW<float> graph;
};

void* Build(const EngramPeerVectors* vectors, int threads) {
  auto* index = new Index(*vectors);
  // The first one alone, as hnswlib's own bindings do.
  index->graph.addPoint(vectors->rows, 0);
  std::atomic<int64_t> next = 1;
  const auto insert = [&] {
    for (int64_t i; (i = next++) < vectors->count;) {
      index->graph.addPoint(vectors->rows + i * vectors->dimensions, i);
    }
  };
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i) workers.emplace_back(insert);
  insert();
  for (std::thread& worker : workers) worker.join();
  return index;
}

void Save(void* index, const char* path) {
  static_cast<Index*>(index)->graph.saveIndex(path);
}

void* Load(const EngramPeerVectors* vectors, const char* path) {
  return new Index(*vectors, path);
}

void Search(void* index, const float* query, int limit, int width,
            uint32_t* found) {
  auto& graph = static_cast<Index*>(index)->graph;
  graph.setEf(width);
  auto heap = graph.searchKnn(query, limit);
  for (size_t i = heap.size(); i > 0; --i) {
    found[i - 1] = static_cast<uint32_t>(heap.top().second);
    heap.pop();
  }
}

void Free(void* index) { delete static_cast<Index*>(index); }

}  // namespace

extern "C" const EngramGraphPeer* engram_graph_peer() {
  static constexpr EngramGraphPeer kPeer = {
      "hnswlib " PEER_VERSION, "hnswlib", Build, Save, Load, Search, Free};
  return &kPeer;
}
