// Graphs on disk, in FAISS's own format, so that any FAISS opens them: an
// IndexHNSWSQ with uniform codes of 8 bits or of 4, or an IndexHNSWFlat. What
// is in it, and what of it is ours, docs/design/graph_index.md says.

#ifndef ENGRAM_SERVICES_SEARCH_GRAPH_FILE_H_
#define ENGRAM_SERVICES_SEARCH_GRAPH_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/graph.h"

namespace engram::search {

// What a graph file holds: node i of the graph is row i of the codes.
struct StoredGraph {
  hnsw::Graph graph;
  hnsw::CodeTable codes;
};

// Writes and syncs the file of a graph and its codes, which are as many; takes
// no memory of their size. A failure may leave a part of the file.
absl::Status WriteGraphFile(const std::string& path, const hnsw::Graph& graph,
                            const hnsw::CodeView& codes);

// Reads the bytes of a graph file. `DataLoss`, saying what is wrong, for
// anything but a graph as WriteGraphFile writes it, of these dimensions and
// metric; whatever the bytes are, no walk leaves a graph that is returned, and
// memory is taken by how many they are, not by what they say.
absl::StatusOr<StoredGraph> DecodeGraphFile(absl::string_view bytes,
                                            int dimensions,
                                            hnsw::Metric metric);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_GRAPH_FILE_H_
