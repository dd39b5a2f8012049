// Finds the nodes whose codes are nearest to a query's.

#ifndef ENGRAM_LIBS_HNSW_GRAPH_SEARCH_H_
#define ENGRAM_LIBS_HNSW_GRAPH_SEARCH_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/hnsw/candidate_pool.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph.h"
#include "libs/hnsw/node_bitmap.h"
#include "libs/hnsw/visited_set.h"

namespace engram::hnsw {

struct GraphSearchOptions {
  // How many nodes are returned, 1 at least, if that many are scored: the
  // nearest of all that are, some 16 times `width`.
  int limit = 10;
  // ef of the paper: how many candidates the walk keeps to go on from, 1 at
  // least. Recall and time grow with it. 10 to 500 is usual.
  int width = 64;
  // If set, only these nodes are returned. The walk goes through the others all
  // the same, and is no longer for it: what passes is some `width` times the
  // share that does, so a rare filter wants a greater width, or an exact scan.
  // docs/design/graph_index.md has measured when.
  const NodeBitmap* filter = nullptr;
  // A node that is passed by as if the graph did not have it. It must be on
  // level 0 only.
  uint32_t hidden = kNoNode;
};

// A node that was found.
struct FoundNode {
  uint32_t node = kNoNode;
  // By the metric: an inner product, or a squared distance. Approximate as long
  // as Rerank has not seen it.
  float score = 0;

  friend bool operator==(const FoundNode&, const FoundNode&) = default;
};

struct GraphSearchResult {
  // Nearest first, equally near ones by node.
  std::vector<FoundNode> nodes;
  // What it took: distances from codes.
  int64_t distances = 0;
};

// What a search works in, a byte a node and some more; for one search at a
// time, any graph.
struct SearchScratch {
  VisitedSet visited;
  CandidatePool candidates;
  // What was scored and passes: distance, then node, from the highest bit down.
  std::vector<uint64_t> scored;
};

// Searches `graph` over `codes`, which are of one segment and of the range that
// `query` was encoded for.
void SearchGraph(const Graph& graph, const CodeView& codes,
                 const EncodedQuery& query, const GraphSearchOptions& options,
                 SearchScratch& scratch, GraphSearchResult& result);

// Lends scratches, so that as many exist as searches ever ran at once.
// Thread-safe.
class ScratchPool {
 public:
  // Takes the scratch back when it goes out of scope. Ends before the pool.
  class Lease {
   public:
    Lease(ScratchPool* pool, std::unique_ptr<SearchScratch> scratch)
        : pool_(pool), scratch_(std::move(scratch)) {}
    Lease(Lease&&) = default;
    ~Lease() {
      if (scratch_ != nullptr) pool_->Return(std::move(scratch_));
    }
    SearchScratch& operator*() const { return *scratch_; }

   private:
    ScratchPool* pool_;
    std::unique_ptr<SearchScratch> scratch_;
  };

  Lease Take();

 private:
  void Return(std::unique_ptr<SearchScratch> scratch);

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<SearchScratch>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_GRAPH_SEARCH_H_
