// The newest FAISS as a peer; compiled by make_peers.sh, outside of our build,
// against the library in the Python package faiss-cpu, which has no headers:
// what is called is declared here.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/benchmarks/search/graph_peer.h"

extern "C" void omp_set_num_threads(int threads);

namespace faiss {

enum MetricType { METRIC_INNER_PRODUCT = 0 };

struct Index;
struct IDSelector;

struct SearchParameters {
  IDSelector* selector = nullptr;
  virtual ~SearchParameters() = default;
};

// Further members are defaults, which a change of theirs would show as a recall
// that does not follow the width.
struct SearchParametersHNSW : SearchParameters {
  int efSearch = 16;
  bool check_relative_distance = true;
  bool bounded_queue = true;
};

// Only to call what is exported; never made here.
struct IndexHNSW {
  void add(int64_t count, const float* rows);
  void search(int64_t count, const float* queries, int64_t limit,
              float* distances, int64_t* labels,
              const SearchParameters* parameters) const;
};

struct ParameterSpace {
  ParameterSpace();
  void set_index_parameter(Index* index, const std::string& name,
                           double value) const;
  // More than what is in it.
  alignas(16) char members[1024];
};

Index* index_factory(int dimensions, const char* description, MetricType metric,
                     bool own);
void write_index(const Index* index, const char* path, int flags);
Index* read_index(const char* path, int flags);

}  // namespace faiss

namespace {

faiss::IndexHNSW* AsHnsw(void* index) {
  return static_cast<faiss::IndexHNSW*>(index);
}

void* Build(const EngramPeerVectors* vectors, int threads) {
  omp_set_num_threads(threads);
  faiss::Index* index =
      faiss::index_factory(vectors->dimensions, "HNSW16,Flat",
                           faiss::METRIC_INNER_PRODUCT, /*own=*/false);
  faiss::ParameterSpace().set_index_parameter(index, "efConstruction", 200);
  AsHnsw(index)->add(vectors->count, vectors->rows);
  return index;
}

void Save(void* index, const char* path) {
  faiss::write_index(static_cast<faiss::Index*>(index), path, 0);
}

void* Load(const EngramPeerVectors*, const char* path) {
  return faiss::read_index(path, 0);
}

void Search(void* index, const float* query, int limit, int width,
            uint32_t* found) {
  omp_set_num_threads(1);
  faiss::SearchParametersHNSW parameters;
  parameters.efSearch = width;
  float distances[64];
  int64_t labels[64];
  AsHnsw(index)->search(1, query, limit, distances, labels, &parameters);
  for (int i = 0; i < limit; ++i) found[i] = static_cast<uint32_t>(labels[i]);
}

// One a run: to end it would take its virtual destructor.
void Free(void*) {}

}  // namespace

extern "C" const EngramGraphPeer* engram_graph_peer() {
  static constexpr EngramGraphPeer kPeer = {
      "faiss-cpu " PEER_VERSION, "faiss", Build, Save, Load, Search, Free};
  return &kPeer;
}
