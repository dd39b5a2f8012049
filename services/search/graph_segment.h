#ifndef ENGRAM_SERVICES_SEARCH_GRAPH_SEGMENT_H_
#define ENGRAM_SERVICES_SEARCH_GRAPH_SEGMENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/graph.h"
#include "libs/hnsw/graph_search.h"

namespace engram::search {

// A graph over 8-bit codes of vectors, as they were at one moment, with which
// the few that may be nearest to a query are found without looking at the
// others. What a node is, and whether its vector is still that, its owner
// knows.
//
// Thread-safe: immutable, but for the width.
class GraphSegment {
 public:
  // Builds the graph of `codes`, whose row i is node i, on `threads` threads.
  // `Cancelled` once `go_on`, which is asked now and then, says so.
  static absl::StatusOr<std::shared_ptr<GraphSegment>> Build(
      hnsw::CodeTable codes, int threads, const std::function<bool()>& go_on);

  // Returns about the `width` nodes nearest to `query`, the nearest first,
  // judged by their codes: the exact order is for the owner to find out, who
  // has the vectors.
  hnsw::GraphSearchResult Find(absl::Span<const float> query, int width) const;

  // How wide a search for ten has to be for the recall that is wanted.
  int width() const { return width_.load(std::memory_order_relaxed); }
  void set_width(int width) { width_.store(width, std::memory_order_relaxed); }

  int64_t size() const { return graph_.size(); }
  int64_t memory_bytes() const {
    return codes_.memory_bytes() + graph_.memory_bytes();
  }

 private:
  // Until it has been measured.
  static constexpr int kSafeWidth = 200;

  GraphSegment(hnsw::CodeTable codes, hnsw::Graph graph)
      : codes_(std::move(codes)), graph_(std::move(graph)) {}

  const hnsw::CodeTable codes_;
  const hnsw::Graph graph_;
  std::atomic<int> width_ = kSafeWidth;
  mutable hnsw::ScratchPool scratches_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_GRAPH_SEGMENT_H_
