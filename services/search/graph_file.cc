#include "services/search/graph_file.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/hnsw/graph_builder.h"
#include "libs/status/status_macros.h"
#include "services/search/bytes.h"
#include "services/search/durable_file.h"

namespace engram::search {
namespace {

using hnsw::Graph;
using hnsw::kNoNode;

// All of this is FAISS's, and stored. Its link lists end with -1, which is
// kNoNode; levels are counted from 1.
constexpr size_t kWordSize = 4;
constexpr absl::string_view kGraphWord = "IHNs";
constexpr absl::string_view kCodesWord = "IxSQ";
// Of float32.
constexpr absl::string_view kFlatGraphWord = "IHNf";
constexpr absl::string_view kFlatDotWord = "IxFI";
constexpr absl::string_view kFlatL2Word = "IxF2";
constexpr int32_t kInnerProduct = 0;
constexpr int32_t kL2 = 1;
constexpr int32_t kUniform8Bit = 2;
constexpr int32_t kUniform4Bit = 3;
// FAISS leaves room for two numbers that it does not use.
constexpr int64_t kUnused = int64_t{1} << 20;

// As many as FAISS makes for the same M; a graph may have more.
constexpr int kUsualLevels = 8;
constexpr int kMaxLevels = 255;
// Where another FAISS begins with its searches; it may set its own.
constexpr int32_t kSearchWidth = 64;

template <typename... Parts>
absl::Status Broken(const Parts&... what) {
  return absl::DataLossError(absl::StrCat("graph file: ", what...));
}

int32_t FaissMetric(hnsw::Metric metric) {
  return metric == hnsw::Metric::kL2 ? kL2 : kInnerProduct;
}

absl::string_view FlatWord(hnsw::Metric metric) {
  return metric == hnsw::Metric::kL2 ? kFlatL2Word : kFlatDotWord;
}

// How many links a node has on its first `levels` levels.
int64_t LinksOf(int64_t levels) {
  return levels == 0 ? 0
                     : Graph::kBaseLinks + (levels - 1) * Graph::kUpperLinks;
}

// --- Writing.

// Appends to a file; the first failure stays.
class FileWriter {
 public:
  explicit FileWriter(std::FILE* file) : file_(file) {}

  void WriteBytes(const void* bytes, size_t size) {
    if (error_ != 0 || size == 0) return;
    errno = 0;
    if (std::fwrite(bytes, 1, size, file_) != size) {
      error_ = errno == 0 ? EIO : errno;
    }
  }
  template <typename Number>
  void Write(Number number) {
    WriteBytes(&number, sizeof(number));
  }
  int error() const { return error_; }

 private:
  std::FILE* const file_;
  int error_ = 0;
};

// Calls `visit(node, slot)` for each node; the slot is kNoNode for one on level
// 0 only.
template <typename Visit>
void ForEachNode(const Graph& graph, Visit visit) {
  const std::vector<uint32_t>& upper = graph.parts().upper_nodes;
  size_t slot = 0;
  for (uint32_t node = 0; node < graph.size(); ++node) {
    const bool is_upper = slot < upper.size() && upper[slot] == node;
    visit(node, is_upper ? static_cast<uint32_t>(slot++) : kNoNode);
  }
}

int LevelsOf(const Graph& graph, uint32_t slot) {
  return slot == kNoNode ? 1 : 1 + graph.parts().upper_levels[slot];
}

void WriteHeader(absl::string_view word, const hnsw::CodeView& codes,
                 FileWriter& out) {
  out.WriteBytes(word.data(), word.size());
  out.Write<int32_t>(codes.dimensions);
  out.Write<int64_t>(codes.size);
  out.Write<int64_t>(kUnused);
  out.Write<int64_t>(kUnused);
  out.Write<uint8_t>(1);  // It is trained.
  out.Write<int32_t>(FaissMetric(codes.metric));
}

// What tells FAISS how to add nodes, and how many links each has.
void WriteLevels(const Graph& graph, FileWriter& out) {
  const int levels = std::max(kUsualLevels, graph.top_level() + 1);
  out.Write<uint64_t>(levels);
  double share = 1;
  for (int level = 0; level < levels; ++level) {
    out.Write<double>(share * (1 - 1.0 / Graph::kUpperLinks));
    share /= Graph::kUpperLinks;
  }
  out.Write<uint64_t>(levels + 1);
  for (int level = 0; level <= levels; ++level) {
    out.Write<int32_t>(static_cast<int32_t>(LinksOf(level)));
  }
  out.Write<uint64_t>(graph.size());
  ForEachNode(graph, [&](uint32_t /*node*/, uint32_t slot) {
    out.Write<int32_t>(LevelsOf(graph, slot));
  });
}

void WriteLinks(const Graph& graph, FileWriter& out) {
  uint64_t links = 0;
  out.Write<uint64_t>(graph.size() + 1);
  out.Write<uint64_t>(links);
  ForEachNode(graph, [&](uint32_t /*node*/, uint32_t slot) {
    links += LinksOf(LevelsOf(graph, slot));
    out.Write<uint64_t>(links);
  });
  out.Write<uint64_t>(links);
  ForEachNode(graph, [&](uint32_t node, uint32_t slot) {
    out.WriteBytes(graph.BaseLinks(node), Graph::kBaseLinks * sizeof(uint32_t));
    for (int level = 1; level < LevelsOf(graph, slot); ++level) {
      const uint32_t* const slots = graph.UpperLinks(slot, level);
      for (int i = 0; i < Graph::kUpperLinks; ++i) {
        out.Write<uint32_t>(slots[i] == kNoNode ? kNoNode
                                                : graph.NodeOf(slots[i]));
      }
    }
  });
}

void WriteGraph(const Graph& graph, FileWriter& out) {
  WriteLevels(graph, out);
  WriteLinks(graph, out);
  out.Write<uint32_t>(graph.parts().entry_node);
  out.Write<int32_t>(graph.size() == 0 ? -1 : graph.top_level());
  out.Write<int32_t>(hnsw::GraphBuildOptions().width);
  out.Write<int32_t>(kSearchWidth);
  out.Write<int32_t>(1);  // Walks of upper levels follow one node.
}

void WriteFloats(const hnsw::CodeView& codes, FileWriter& out) {
  const int64_t count = codes.size * codes.dimensions;
  out.Write<uint64_t>(count);
  out.WriteBytes(codes.codes, count * sizeof(float));
}

void WriteCodes(const hnsw::CodeView& codes, FileWriter& out) {
  out.Write<int32_t>(codes.range.bits == 8 ? kUniform8Bit : kUniform4Bit);
  out.Write<int32_t>(0);  // How the range was trained: not by FAISS.
  out.Write<float>(0);
  out.Write<uint64_t>(codes.dimensions);
  out.Write<uint64_t>(codes.row_bytes());
  out.Write<uint64_t>(2);
  out.Write<float>(codes.range.vmin);
  out.Write<float>(codes.range.vdiff);
  const auto bytes = static_cast<uint64_t>(codes.size * codes.row_bytes());
  out.Write<uint64_t>(bytes);
  out.WriteBytes(codes.codes, bytes);
}

// --- Reading.

// Numbers back to back in the file, which begin at no particular address.
template <typename Number>
class NumberList {
 public:
  // Takes the list's length and numbers off `reader`; false when they run out.
  bool ReadFrom(ByteReader& reader) {
    uint64_t count = 0;
    return reader.Read(count) && count <= reader.left() / sizeof(Number) &&
           reader.Read(count * sizeof(Number), bytes_);
  }
  size_t size() const { return bytes_.size() / sizeof(Number); }
  Number operator[](size_t i) const {
    Number number;
    std::memcpy(&number, bytes_.data() + i * sizeof(Number), sizeof(Number));
    return number;
  }
  const char* data() const { return bytes_.data(); }

 private:
  absl::string_view bytes_;
};

template <typename Number>
hnsw::HugeArray<uint8_t> CopyOf(const NumberList<Number>& list) {
  hnsw::HugeArray<uint8_t> copy(list.size() * sizeof(Number));
  if (copy.size() > 0) std::memcpy(copy.data(), list.data(), copy.size());
  return copy;
}

// Reads what WriteHeader wrote; the number of nodes.
absl::StatusOr<int64_t> ReadHeader(absl::string_view word, int dimensions,
                                   hnsw::Metric metric, ByteReader& reader) {
  absl::string_view found;
  int32_t found_dimensions = 0, found_metric = 0;
  int64_t size = 0, unused = 0;
  uint8_t trained = 0;
  if (!reader.Read(kWordSize, found) || !reader.Read(found_dimensions) ||
      !reader.Read(size) || !reader.Read(unused) || !reader.Read(unused) ||
      !reader.Read(trained) || !reader.Read(found_metric)) {
    return Broken("ends within the header of ", word);
  }
  if (found != word || trained != 1 || found_dimensions != dimensions ||
      found_metric != FaissMetric(metric)) {
    return Broken("is not ", word, " of ", dimensions,
                  " dimensions and the index's metric");
  }
  if (size < 0 || size > hnsw::kMaxNodes) return Broken(size, " nodes");
  return size;
}

// The lists of a graph as they lie in the file.
struct GraphLists {
  NumberList<int32_t> levels;
  NumberList<uint64_t> offsets;
  NumberList<uint32_t> links;
  uint32_t entry_node = kNoNode;
};

absl::StatusOr<GraphLists> ReadLists(int64_t size, ByteReader& reader) {
  GraphLists lists;
  NumberList<double> shares;
  NumberList<int32_t> sums;
  int32_t top_level = 0, build_width = 0, search_width = 0, beam = 0;
  if (!shares.ReadFrom(reader) || !sums.ReadFrom(reader) ||
      !lists.levels.ReadFrom(reader) || !lists.offsets.ReadFrom(reader) ||
      !lists.links.ReadFrom(reader) || !reader.Read(lists.entry_node) ||
      !reader.Read(top_level) || !reader.Read(build_width) ||
      !reader.Read(search_width) || !reader.Read(beam)) {
    return Broken("ends within the graph");
  }
  if (sums.size() > kMaxLevels + 1) return Broken(sums.size(), " levels");
  for (size_t level = 0; level < sums.size(); ++level) {
    if (sums[level] != LinksOf(static_cast<int64_t>(level))) {
      return Broken(sums[level], " links up to level ", level);
    }
  }
  const auto nodes = static_cast<size_t>(size);
  if (lists.levels.size() != nodes || lists.offsets.size() != nodes + 1) {
    return Broken(lists.levels.size(), " levels and ", lists.offsets.size(),
                  " offsets of ", size, " nodes");
  }
  uint64_t links = 0;
  for (size_t node = 0; node < nodes; ++node) {
    const int32_t levels = lists.levels[node];
    if (levels < 1 || levels >= static_cast<int64_t>(sums.size()) ||
        lists.offsets[node] != links) {
      return Broken("node ", node, " has ", levels, " levels, its links at ",
                    lists.offsets[node]);
    }
    links += LinksOf(levels);
  }
  if (lists.offsets[nodes] != links || lists.links.size() != links) {
    return Broken(lists.links.size(), " links, not ", links);
  }
  return lists;
}

absl::StatusOr<Graph> MakeGraph(const GraphLists& lists) {
  const size_t nodes = lists.levels.size();
  Graph::Parts parts;
  parts.entry_node = lists.entry_node;
  for (uint32_t node = 0; node < nodes; ++node) {
    if (lists.levels[node] == 1) continue;
    parts.upper_nodes.push_back(node);
    parts.upper_levels.push_back(static_cast<uint8_t>(lists.levels[node] - 1));
  }
  parts.base_links = hnsw::HugeArray<uint32_t>(nodes * Graph::kBaseLinks);
  parts.upper_links.reserve(lists.links.size() - parts.base_links.size());
  for (uint32_t node = 0; node < nodes; ++node) {
    const size_t first = lists.offsets[node];
    std::memcpy(parts.base_links.data() + size_t{node} * Graph::kBaseLinks,
                lists.links.data() + first * sizeof(uint32_t),
                Graph::kBaseLinks * sizeof(uint32_t));
    const size_t end = first + LinksOf(lists.levels[node]);
    for (size_t i = first + Graph::kBaseLinks; i < end; ++i) {
      const uint32_t link = lists.links[i];
      if (link == kNoNode) {
        parts.upper_links.push_back(kNoNode);
        continue;
      }
      const auto slot = std::lower_bound(parts.upper_nodes.begin(),
                                         parts.upper_nodes.end(), link);
      if (slot == parts.upper_nodes.end() || *slot != link) {
        return Broken("node ", node, " links to ", link, " above level 0");
      }
      parts.upper_links.push_back(
          static_cast<uint32_t>(slot - parts.upper_nodes.begin()));
    }
  }
  return Graph::Create(std::move(parts));
}

absl::StatusOr<hnsw::CodeTable> ReadFloats(int64_t size, int dimensions,
                                           hnsw::Metric metric,
                                           ByteReader& reader) {
  ASSIGN_OR_RETURN(const int64_t rows,
                   ReadHeader(FlatWord(metric), dimensions, metric, reader));
  NumberList<float> floats;
  if (!floats.ReadFrom(reader)) return Broken("ends within the vectors");
  if (rows != size ||
      floats.size() != static_cast<uint64_t>(size) * dimensions) {
    return Broken("its vectors are not ", size);
  }
  return hnsw::CodeTable(CopyOf(floats), dimensions, metric, {.bits = 32});
}

absl::StatusOr<hnsw::CodeTable> ReadCodes(int64_t size, int dimensions,
                                          hnsw::Metric metric,
                                          ByteReader& reader) {
  ASSIGN_OR_RETURN(const int64_t rows,
                   ReadHeader(kCodesWord, dimensions, metric, reader));
  int32_t type = 0, training = 0;
  float training_argument = 0;
  uint64_t found_dimensions = 0, code_size = 0;
  NumberList<float> trained;
  NumberList<uint8_t> codes;
  if (!reader.Read(type) || !reader.Read(training) ||
      !reader.Read(training_argument) || !reader.Read(found_dimensions) ||
      !reader.Read(code_size) || !trained.ReadFrom(reader) ||
      !codes.ReadFrom(reader)) {
    return Broken("ends within the codes");
  }
  if ((type != kUniform8Bit && type != kUniform4Bit) || trained.size() != 2) {
    return Broken("its codes are neither of 8 nor of 4 bits");
  }
  const hnsw::CodeRange range = {.vmin = trained[0],
                                 .vdiff = trained[1],
                                 .bits = type == kUniform8Bit ? 8 : 4};
  const auto row_bytes = static_cast<uint64_t>(range.RowBytes(dimensions));
  if (rows != size || found_dimensions != static_cast<uint64_t>(dimensions) ||
      code_size != row_bytes ||
      codes.size() != static_cast<uint64_t>(size) * row_bytes) {
    return Broken("its codes are not ", size, " of ", row_bytes, " bytes");
  }
  // Queries are divided by the step.
  if (!std::isnormal(range.step()) || range.step() < 0 ||
      !std::isfinite(range.middle())) {
    return Broken("codes from ", range.vmin, " over ", range.vdiff);
  }
  return hnsw::CodeTable(CopyOf(codes), dimensions, metric, range);
}

}  // namespace

absl::Status WriteGraphFile(const std::string& path, const Graph& graph,
                            const hnsw::CodeView& codes) {
  return WriteSynced(path, [&](std::FILE* file) {
    FileWriter out(file);
    const bool is_flat = codes.range.is_float32();
    WriteHeader(is_flat ? kFlatGraphWord : kGraphWord, codes, out);
    WriteGraph(graph, out);
    WriteHeader(is_flat ? FlatWord(codes.metric) : kCodesWord, codes, out);
    is_flat ? WriteFloats(codes, out) : WriteCodes(codes, out);
    return out.error() == 0
               ? absl::OkStatus()
               : absl::ErrnoToStatus(out.error(), absl::StrCat("write ", path));
  });
}

absl::StatusOr<StoredGraph> DecodeGraphFile(absl::string_view bytes,
                                            int dimensions,
                                            hnsw::Metric metric) {
  ByteReader reader(bytes);
  const bool is_flat = absl::StartsWith(bytes, kFlatGraphWord);
  ASSIGN_OR_RETURN(const int64_t size,
                   ReadHeader(is_flat ? kFlatGraphWord : kGraphWord, dimensions,
                              metric, reader));
  ASSIGN_OR_RETURN(const GraphLists lists, ReadLists(size, reader));
  ASSIGN_OR_RETURN(hnsw::CodeTable codes,
                   is_flat ? ReadFloats(size, dimensions, metric, reader)
                           : ReadCodes(size, dimensions, metric, reader));
  if (reader.left() != 0) return Broken(reader.left(), " bytes too many");
  ASSIGN_OR_RETURN(Graph graph, MakeGraph(lists));
  return StoredGraph{std::move(graph), std::move(codes)};
}

}  // namespace engram::search
