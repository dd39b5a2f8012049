#include "libs/hnsw/node_scan.h"

#include <cstddef>

#include "libs/hnsw/code_distances.h"

namespace engram::hnsw {
namespace {

// Distances of a block stay in the first-level cache, and its codes, which are
// fetched before the first is scored, in the second-level one.
constexpr size_t kBlock = 256;

// Codes of so many bytes are in the second-level cache if they were scanned
// before, and to fetch them takes longer than to wait for a few.
constexpr int64_t kCachedBytes = 1 << 20;

// So many distances are looked at together, which takes few instructions:
// hardly any of them are near enough.
constexpr size_t kGroup = 16;

bool HasNear(const int32_t* distances, int32_t farthest) {
  int32_t is_near = 0;
  for (size_t i = 0; i < kGroup; ++i) {
    is_near |= distances[i] <= farthest ? 1 : 0;
  }
  return is_near != 0;
}

}  // namespace

NodeScan::NodeScan(const CodeView& codes, absl::Span<const float> query,
                   int limit, int64_t expected)
    : codes_(codes),
      query_(query, codes.range, codes.metric),
      limit_(limit),
      fetches_(expected * codes.row_bytes() > kCachedBytes) {
  pool_.Reset(limit);
}

void NodeScan::Add(absl::Span<const uint32_t> nodes) {
  const QueryDistances distances(codes_, query_);
  int32_t found[kBlock] = {};
  for (size_t first = 0; first < nodes.size(); first += kBlock) {
    const auto block = nodes.subspan(first, kBlock);
    if (fetches_) {
      for (const uint32_t node : block) distances.Prefetch(node);
    }
    distances.Score(block.data(), static_cast<int>(block.size()), found);
    size_t i = 0;
    for (; i + kGroup <= block.size(); i += kGroup) {
      if (HasNear(found + i, farthest_)) Offer(&block[i], found + i, kGroup);
    }
    Offer(block.data() + i, found + i, block.size() - i);
  }
  compared_ += static_cast<int64_t>(nodes.size());
}

void NodeScan::Offer(const uint32_t* nodes, const int32_t* distances,
                     size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (distances[i] > farthest_) continue;
    pool_.Add(nodes[i], distances[i]);
    if (pool_.size() == limit_) farthest_ = pool_.distance(limit_ - 1);
  }
}

GraphSearchResult NodeScan::Result() const {
  GraphSearchResult result;
  result.distances = compared_;
  result.nodes.reserve(pool_.size());
  for (int i = 0; i < pool_.size(); ++i) {
    result.nodes.push_back({pool_.node(i), query_.ScoreOf(pool_.distance(i))});
  }
  return result;
}

}  // namespace engram::hnsw
