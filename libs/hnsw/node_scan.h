// Finds the nearest of some nodes by the codes of all of these, without a
// graph.

#ifndef ENGRAM_LIBS_HNSW_NODE_SCAN_H_
#define ENGRAM_LIBS_HNSW_NODE_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "libs/hnsw/candidate_pool.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph_search.h"

namespace engram::hnsw {

// Not thread-safe.
class NodeScan {
 public:
  // Finds the `limit` (1 at least) nearest to `query` of what is added, which
  // may be `expected` nodes, more or less. Borrows the codes.
  NodeScan(const CodeView& codes, absl::Span<const float> query, int limit,
           int64_t expected);

  // Compares with `nodes`; no node may come twice.
  void Add(absl::Span<const uint32_t> nodes);

  // Returns them, nearest first.
  GraphSearchResult Result() const;

 private:
  // Keeps those that are among the nearest so far.
  void Offer(const uint32_t* nodes, const int32_t* distances, size_t count);

  CodeView codes_;
  EncodedQuery query_;
  CandidatePool pool_;
  int limit_;
  // Whether codes are fetched ahead.
  bool fetches_;
  // What is farther is not among the nearest.
  int32_t farthest_ = std::numeric_limits<int32_t>::max();
  int64_t compared_ = 0;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_NODE_SCAN_H_
