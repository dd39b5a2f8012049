#ifndef ENGRAM_LIBS_HNSW_GRAPH_REPAIR_H_
#define ENGRAM_LIBS_HNSW_GRAPH_REPAIR_H_

#include <cstdint>

#include "libs/hnsw/graph.h"

namespace engram::hnsw {

// Changes links of level 0 so that every node can be reached from the entry
// node, and returns how many could not. Pruning may cut a node off, and no
// search would ever find it. (Fu and others 2019 do the same for NSG, there
// called tree expanding.)
int64_t RepairGraph(Graph::Parts& parts);

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_GRAPH_REPAIR_H_
