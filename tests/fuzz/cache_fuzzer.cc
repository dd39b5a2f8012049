// Reads arbitrary bytes as a file of search's index cache: the first says which
// one. Checksums are as if they fitted, so that all bytes count. Whatever they
// are, they are refused, or become something that can be used: a manifest that
// means the same when it is written again, a graph that no walk leaves, keys
// that fit their vectors.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph_search.h"
#include "libs/vector/checksum.h"
#include "libs/vector/vector.h"
#include "services/search/cache_manifest.h"
#include "services/search/graph_file.h"
#include "services/search/vector_index.h"
#include "tests/fuzz/fuzz_targets.h"

namespace engram::fuzz {
namespace {

using search::CacheManifest;
using search::VectorIndex;

constexpr int kDimensions = 2;

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// All but the last line.
void ReadManifest(absl::string_view bytes) {
  std::string text(bytes);
  absl::StrAppendFormat(&text, "end %016x\n", vector::Checksum(text));
  const auto manifest = CacheManifest::Decode(text);
  if (!manifest.ok()) return;
  const auto again = CacheManifest::Decode(manifest->Encode());
  Expect(again.ok() && again->Encode() == manifest->Encode(),
         "a manifest means the same when it is written again");
}

void ReadGraph(absl::string_view bytes, hnsw::Metric metric) {
  const auto stored = search::DecodeGraphFile(bytes, kDimensions, metric);
  if (!stored.ok()) return;
  const hnsw::CodeView codes = stored->codes.view();
  Expect(codes.size == stored->graph.size(), "each node has a code");
  const auto memory = static_cast<size_t>(stored->graph.memory_bytes() +
                                          stored->codes.memory_bytes());
  Expect(memory <= 2 * bytes.size(), "memory is as the file is long");
  if (codes.size == 0) return;
  hnsw::SearchScratch scratch;
  hnsw::GraphSearchResult found;
  SearchGraph(stored->graph, codes,
              hnsw::EncodedQuery({0.5f, -2.0f}, codes.range, metric),
              {.limit = 20, .width = 20}, scratch, found);
  for (const hnsw::FoundNode& node : found.nodes) {
    Expect(node.node < codes.size, "what is found is a node");
  }
}

// The files of an index of two records with three vectors, in its graph; the
// keys are to be written by whoever asks.
search::SavedIndex MakeFiles(const search::IndexSpec& spec) {
  const auto folder = std::filesystem::temp_directory_path() /
                      absl::StrCat("engram_cache_fuzzer_", getpid());
  std::filesystem::create_directories(folder);
  std::atexit([] {
    std::filesystem::remove_all(std::filesystem::temp_directory_path() /
                                absl::StrCat("engram_cache_fuzzer_", getpid()));
  });
  VectorIndex index(spec, {.min_bytes = 0});
  const std::string packed[] = {
      std::string(vector::Pack({1.0f, 0.0f})),
      std::string(vector::Pack({0.5f, 1.0f})),
      std::string(vector::Pack({2.0f, 2.0f})),
  };
  index.Apply({{.kind = search::IndexChange::Kind::kPutVectors,
                .row = 1,
                .id = "a",
                .chunks = {packed[0], packed[1]}},
               {.kind = search::IndexChange::Kind::kPutVectors,
                .row = 2,
                .id = "b",
                .chunks = {packed[2]}}},
              1);
  index.Optimize([] { return true; });
  auto saved = index.Save(folder / "1", nullptr);
  Expect(saved.ok(), "an index can be saved");
  return *std::move(saved);
}

void ReadKeys(absl::string_view bytes) {
  static const search::IndexSpec spec = {.generation = 1,
                                         .dimensions = kDimensions,
                                         .metric = search::Metric::kDot};
  static search::SavedIndex saved = MakeFiles(spec);
  std::ofstream(saved.keys_path, std::ios::binary) << bytes;
  const auto index = VectorIndex::Load(spec, saved, /*sequence=*/5);
  if (!index.ok()) return;
  // Each vector is a record's, is found by it, and goes with it.
  const search::FrozenIndex all = (*index)->Freeze();
  Expect(all.vectors.size() == 3, "there are as many keys as vectors");
  for (const search::FrozenVector& each : all.vectors) {
    if (each.chunk != 0) continue;
    const std::vector<float> query = {1.0f, 1.0f};
    Expect((*index)->SearchRows(query, 5, {each.row}, search::AnyRow)
                   .candidates.size() == 1,
           "a row is found");
    (*index)->Search(query, 5, search::AnyRow);
    (*index)->Apply({{.kind = search::IndexChange::Kind::kDeleteRecord,
                      .row = each.row,
                      .sequence = 6}},
                    6);
  }
  Expect((*index)->Stats().vectors == 0, "all records can be deleted");
}

}  // namespace

int FuzzCache(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data + 1),
                                size - 1);
  switch (data[0] % 4) {
    case 0:
      ReadManifest(bytes);
      break;
    case 1:
      ReadGraph(bytes, hnsw::Metric::kDot);
      break;
    case 2:
      ReadGraph(bytes, hnsw::Metric::kL2);
      break;
    default:
      ReadKeys(bytes);
  }
  return 0;
}

}  // namespace engram::fuzz
