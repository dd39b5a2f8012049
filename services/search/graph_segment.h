#ifndef ENGRAM_SERVICES_SEARCH_GRAPH_SEGMENT_H_
#define ENGRAM_SERVICES_SEARCH_GRAPH_SEGMENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/graph.h"
#include "libs/hnsw/graph_search.h"
#include "libs/hnsw/node_scan.h"

namespace engram::search {

// A graph over codes of vectors, as they were at one moment, with which
// the few that may be nearest to a query are found without looking at the
// others. What a node is, and whether its vector is still that, its owner
// knows.
//
// Thread-safe: immutable.
class GraphSegment {
 public:
  // Builds the graph of `codes`, which have 8 bits or are float32, and whose
  // row i is node i, on `threads` threads. `Cancelled` once `go_on`, which is
  // asked now and then, says so.
  static absl::StatusOr<std::shared_ptr<GraphSegment>> Build(
      hnsw::CodeTable codes, int threads, const std::function<bool()>& go_on);

  // Returns the same graph, which both share, with codes of 4 bits made of its
  // own of 8: half of the memory that a search reads, and a little less exact.
  std::shared_ptr<GraphSegment> Narrow() const;

  // Reads what Save wrote. `DataLoss` for anything but a graph of these
  // dimensions and metric.
  static absl::StatusOr<std::shared_ptr<GraphSegment>> Load(
      const std::string& path, int dimensions, hnsw::Metric metric);

  // Writes and syncs the file, which any FAISS opens. A failure may leave a
  // part of it.
  absl::Status Save(const std::string& path) const;

  // Returns the nodes nearest to `query` that such a walk finds, the nearest
  // first, judged by their codes: unless is_exact(), the exact order is for the
  // owner to find out, who has the vectors.
  hnsw::GraphSearchResult Find(absl::Span<const float> query,
                               const hnsw::GraphSearchOptions& walk) const;

  // Whether a walk that is not to see `node` finds all others: it is on level 0
  // only, and no copies of it are linked by way of it.
  bool CanHide(uint32_t node) const;

  // Finds the `limit` nearest to `query` of the nodes that are added to it,
  // about `expected`, judged by their codes, too. Good as long as this object.
  hnsw::NodeScan Scan(absl::Span<const float> query, int limit,
                      int64_t expected) const {
    return hnsw::NodeScan(codes_.view(), query, limit, expected);
  }

  int64_t size() const { return graph_->size(); }
  // Of a code: 8, 4, or 32 of float32.
  int code_bits() const { return codes_.view().range.bits; }
  // Whether what Find says is the exact score.
  bool is_exact() const { return codes_.view().range.is_float32(); }
  // Whether a node may stand for a vector: false if it is exact, and of
  // another.
  bool MayBe(uint32_t node, absl::Span<const float> vector) const;
  int64_t memory_bytes() const {
    return codes_.memory_bytes() + graph_->memory_bytes();
  }
  // Of that, what the codes take.
  int64_t code_bytes() const { return codes_.memory_bytes(); }

 private:
  GraphSegment(hnsw::CodeTable codes, std::shared_ptr<const hnsw::Graph> graph)
      : codes_(std::move(codes)), graph_(std::move(graph)) {}

  const hnsw::CodeTable codes_;
  // Never null.
  const std::shared_ptr<const hnsw::Graph> graph_;
  mutable hnsw::ScratchPool scratches_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_GRAPH_SEGMENT_H_
