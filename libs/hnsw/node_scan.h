// Finds the nearest of some nodes by the codes of all of these, without a
// graph.

#ifndef ENGRAM_LIBS_HNSW_NODE_SCAN_H_
#define ENGRAM_LIBS_HNSW_NODE_SCAN_H_

#include <cstdint>

#include "absl/types/span.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph_search.h"

namespace engram::hnsw {

// Returns the `limit` (1 at least) nearest of `nodes`, each of which is there
// once.
GraphSearchResult ScanNodes(const CodeView& codes, const EncodedQuery& query,
                            absl::Span<const uint32_t> nodes, int limit);

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_NODE_SCAN_H_
