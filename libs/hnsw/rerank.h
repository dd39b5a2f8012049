#ifndef ENGRAM_LIBS_HNSW_RERANK_H_
#define ENGRAM_LIBS_HNSW_RERANK_H_

#include <vector>

#include "absl/types/span.h"
#include "libs/hnsw/code_range.h"
#include "libs/hnsw/graph_search.h"

namespace engram::hnsw {

// Codes alone stop at a recall of some 0.98; exact scores of the first
// max(limit, min(width, kUsualRerank)) nodes give the rest, for a sixth of a
// narrow search's time and less of a wider one's.
inline constexpr int kUsualRerank = 30;

// Gives each of `nodes` its exact score, and orders them by it, nearest first,
// equal ones by node. `vectors` is the vectors themselves, node i's
// `query.size()` floats from vectors[i * query.size()] on; they may be mapped
// from a file, and only those of `nodes` are read.
void Rerank(absl::Span<const float> query, const float* vectors, Metric metric,
            std::vector<FoundNode>& nodes);

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_RERANK_H_
