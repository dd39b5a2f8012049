#include "services/search/graph_segment.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph_builder.h"
#include "libs/status/status_macros.h"
#include "services/search/durable_file.h"
#include "services/search/graph_file.h"

namespace engram::search {

absl::StatusOr<std::shared_ptr<GraphSegment>> GraphSegment::Build(
    hnsw::CodeTable codes, int threads, const std::function<bool()>& go_on) {
  hnsw::GraphBuildOptions options;
  options.threads = threads;
  options.go_on = [&](int64_t /*inserted*/) { return go_on(); };
  ASSIGN_OR_RETURN(hnsw::Graph graph, BuildGraph(codes.view(), options));
  return std::shared_ptr<GraphSegment>(absl::WrapUnique(
      new GraphSegment(std::move(codes),
                       std::make_shared<const hnsw::Graph>(std::move(graph)))));
}

std::shared_ptr<GraphSegment> GraphSegment::Narrow() const {
  return absl::WrapUnique(
      new GraphSegment(hnsw::CodeTable::Narrow(codes_.view()), graph_));
}

absl::StatusOr<std::shared_ptr<GraphSegment>> GraphSegment::Load(
    const std::string& path, int dimensions, hnsw::Metric metric) {
  std::shared_ptr<GraphSegment> segment;
  RETURN_IF_ERROR(WithFile(path, [&](absl::string_view bytes) -> absl::Status {
    ASSIGN_OR_RETURN(StoredGraph stored,
                     DecodeGraphFile(bytes, dimensions, metric));
    segment = absl::WrapUnique(new GraphSegment(
        std::move(stored.codes),
        std::make_shared<const hnsw::Graph>(std::move(stored.graph))));
    return absl::OkStatus();
  }));
  return segment;
}

absl::Status GraphSegment::Save(const std::string& path) const {
  return WriteGraphFile(path, *graph_, codes_.view());
}

bool GraphSegment::MayBe(uint32_t node, absl::Span<const float> vector) const {
  const hnsw::CodeView codes = codes_.view();
  return !is_exact() ||
         std::memcmp(codes.Row(node), vector.data(), codes.row_bytes()) == 0;
}

hnsw::GraphSearchResult GraphSegment::Find(
    absl::Span<const float> query, const hnsw::GraphSearchOptions& walk) const {
  const hnsw::CodeView codes = codes_.view();
  const hnsw::EncodedQuery encoded(query, codes.range, codes.metric);
  const auto scratch = scratches_.Take();
  hnsw::GraphSearchResult result;
  SearchGraph(*graph_, codes, encoded, walk, *scratch, result);
  return result;
}

bool GraphSegment::CanHide(uint32_t node) const {
  const std::vector<uint32_t>& upper = graph_->parts().upper_nodes;
  if (std::binary_search(upper.begin(), upper.end(), node)) return false;
  const hnsw::CodeView codes = codes_.view();
  const uint32_t* const links = graph_->BaseLinks(node);
  return std::none_of(links, links + hnsw::Graph::kBaseLinks, [&](uint32_t to) {
    return to != hnsw::kNoNode &&
           std::memcmp(codes.Row(node), codes.Row(to), codes.row_bytes()) == 0;
  });
}

}  // namespace engram::search
