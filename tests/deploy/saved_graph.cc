// saved_graph <dot|l2> <dimensions> <bits> <width> <folder>
//
// Builds the graph of the vectors in <folder>/vectors, by codes of 8 bits,
// which become 4, or by themselves, of 32, saves it as <folder>/graph.faiss and
// them as <folder>/base, as the index cache does, loads that, and writes which
// nodes it then finds for each of <folder>/queries, `width` each, to
// <folder>/found. For faiss_test.py. Vectors are float32, nodes uint32, back to
// back.

#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/types/span.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/testing/float32_codes.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"
#include "services/search/graph_segment.h"
#include "services/search/mapped_bytes.h"

namespace engram {
namespace {

absl::StatusOr<std::vector<float>> ReadFloats(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) return absl::NotFoundError(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

absl::Status Run(hnsw::Metric metric, int dimensions, int bits, int width,
                 const std::string& folder) {
  ASSIGN_OR_RETURN(const std::vector<float> rows,
                   ReadFloats(folder + "/vectors"));
  ASSIGN_OR_RETURN(const std::vector<float> queries,
                   ReadFloats(folder + "/queries"));
  const auto count = static_cast<int64_t>(rows.size()) / dimensions;
  hnsw::CodeTable codes =
      bits == 32 ? hnsw::Float32Codes(rows, dimensions, metric)
                 : hnsw::CodeTable(rows.data(), count, dimensions, metric);
  ASSIGN_OR_RETURN(auto built,
                   search::GraphSegment::Build(std::move(codes), /*threads=*/2,
                                               [] { return true; }));
  search::MappedBytes vectors;
  vectors.Append(vector::Pack(rows));
  RETURN_IF_ERROR(vectors
                      .Save(folder + "/base", dimensions * sizeof(float),
                            /*anew=*/true, search::SavedBytes())
                      .status());
  if (bits == 4) built = built->Narrow();
  const std::string path = folder + "/graph.faiss";
  RETURN_IF_ERROR(built->Save(path));
  ASSIGN_OR_RETURN(const auto loaded,
                   search::GraphSegment::Load(path, dimensions, metric));
  std::ofstream found(folder + "/found", std::ios::binary);
  for (size_t first = 0; first < queries.size(); first += dimensions) {
    const absl::Span<const float> query(&queries[first], dimensions);
    std::vector<uint32_t> nodes;
    const hnsw::GraphSearchResult walk =
        loaded->Find(query, {.limit = width, .width = width});
    for (const hnsw::FoundNode& node : walk.nodes) {
      nodes.push_back(node.node);
    }
    nodes.resize(width, hnsw::kNoNode);
    found.write(reinterpret_cast<const char*>(nodes.data()),
                static_cast<std::streamsize>(width * sizeof(uint32_t)));
  }
  found.close();
  return found.good() ? absl::OkStatus()
                      : absl::UnavailableError("cannot write what was found");
}

}  // namespace
}  // namespace engram

int main(int argc, char** argv) {
  int dimensions = 0;
  int bits = 0;
  int width = 0;
  if (argc != 6 || !absl::SimpleAtoi(argv[2], &dimensions) ||
      !absl::SimpleAtoi(argv[3], &bits) || !absl::SimpleAtoi(argv[4], &width)) {
    std::cerr << "usage: saved_graph <dot|l2> <dimensions> <32|8|4> <width> "
                 "<folder>\n";
    return 2;
  }
  const auto metric = std::string(argv[1]) == "l2" ? engram::hnsw::Metric::kL2
                                                   : engram::hnsw::Metric::kDot;
  const absl::Status status =
      engram::Run(metric, dimensions, bits, width, argv[5]);
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}
