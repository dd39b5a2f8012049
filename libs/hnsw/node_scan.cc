#include "libs/hnsw/node_scan.h"

#include <cstddef>
#include <limits>

#include "libs/hnsw/candidate_pool.h"
#include "libs/hnsw/code_distances.h"

namespace engram::hnsw {
namespace {

// Distances of a block stay in the first-level cache. To fetch codes ahead
// gains nothing, in caches or beyond: no row waits for another.
constexpr size_t kBlock = 256;

}  // namespace

GraphSearchResult ScanNodes(const CodeView& codes, const EncodedQuery& query,
                            absl::Span<const uint32_t> nodes, int limit) {
  const QueryDistances distances(codes, query);
  CandidatePool pool;
  pool.Reset(limit);
  int32_t farthest = std::numeric_limits<int32_t>::max();
  int32_t found[kBlock] = {};
  for (size_t first = 0; first < nodes.size(); first += kBlock) {
    const auto block = nodes.subspan(first, kBlock);
    distances.Score(block.data(), static_cast<int>(block.size()), found);
    for (size_t i = 0; i < block.size(); ++i) {
      if (found[i] > farthest) continue;
      pool.Add(block[i], found[i]);
      if (pool.size() == limit) farthest = pool.distance(limit - 1);
    }
  }
  GraphSearchResult result;
  result.distances = static_cast<int64_t>(nodes.size());
  result.nodes.reserve(pool.size());
  for (int i = 0; i < pool.size(); ++i) {
    result.nodes.push_back({pool.node(i), query.ScoreOf(pool.distance(i))});
  }
  return result;
}

}  // namespace engram::hnsw
