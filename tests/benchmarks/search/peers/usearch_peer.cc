// usearch as a peer; compiled by make_peers.sh, outside of our build.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/benchmarks/search/graph_peer.h"
#include "usearch/index_dense.hpp"

namespace {

namespace us = unum::usearch;
using Index = us::index_dense_t;

template <typename Result>
Result Checked(Result result) {
  if (result) return result;
  std::fprintf(stderr, "usearch: %s\n", result.error.what());
  std::exit(1);
}

void* Build(const EngramPeerVectors* vectors, int threads) {
  const us::metric_punned_t metric(vectors->dimensions, us::metric_kind_t::ip_k,
                                   us::scalar_kind_t::PEER_SCALAR);
  us::index_dense_config_t config(/*connectivity=*/16, /*expansion_add=*/200,
                                  /*expansion_search=*/64);
  config.enable_key_lookups = false;
  auto made = Index::make(metric, config);
  if (!made) std::exit(1);
  auto* index = new Index(std::move(made.index));
  if (!index->try_reserve(us::index_limits_t(vectors->count, threads))) {
    std::exit(1);
  }
  std::atomic<int64_t> next = 0;
  const auto insert = [&](size_t thread) {
    for (int64_t i; (i = next++) < vectors->count;) {
      Checked(index->add(i, vectors->rows + i * vectors->dimensions, thread));
    }
  };
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i) workers.emplace_back(insert, i);
  insert(0);
  for (std::thread& worker : workers) worker.join();
  return index;
}

void Save(void* index, const char* path) {
  Checked(static_cast<Index*>(index)->save(path));
}

void* Load(const EngramPeerVectors*, const char* path) {
  auto made = Index::make(path);
  if (!made) std::exit(1);
  return new Index(std::move(made.index));
}

void Search(void* index, const float* query, int limit, int width,
            uint32_t* found) {
  auto* graph = static_cast<Index*>(index);
  graph->change_expansion_search(width);
  const auto result = Checked(graph->search(query, limit, /*thread=*/0));
  us::index_dense_t::vector_key_t keys[64];
  const size_t count = result.dump_to(keys);
  for (size_t i = 0; i < count; ++i) found[i] = static_cast<uint32_t>(keys[i]);
}

void Free(void* index) { delete static_cast<Index*>(index); }

#define TEXT_OF(word) #word
#define TEXT(word) TEXT_OF(word)

}  // namespace

extern "C" const EngramGraphPeer* engram_graph_peer() {
  static constexpr EngramGraphPeer kPeer = {"usearch " PEER_VERSION
                                            " " TEXT(PEER_SCALAR),
                                            "usearch-" TEXT(PEER_SCALAR),
                                            Build,
                                            Save,
                                            Load,
                                            Search,
                                            Free};
  return &kPeer;
}
