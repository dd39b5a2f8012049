// Reads arbitrary bytes as a file of search's index cache: the first says which
// one. Checksums are as if they fitted, so that all bytes count. Whatever they
// are, they are refused, or become something that can be used: a manifest that
// means the same when it is written again, a graph that no walk leaves, keys
// that fit their vectors, bytes that can be read and written.

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
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
#include "services/search/bytes.h"
#include "services/search/cache_manifest.h"
#include "services/search/graph_file.h"
#include "services/search/mapped_bytes.h"
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

// Few at a modest recall, so that a walk is narrow enough to pay.
search::SearchResult Search(const search::Index& index) {
  return index.Search({1.0f, 1.0f}, 2, search::AnyRow, {.target_recall = 0.5});
}

bool IsWalked(const search::Index& index) {
  return Search(index).cost.width > 0;
}

// A folder of this process, which goes with it.
const std::filesystem::path& Folder() {
  static const auto* const folder = [] {
    auto* const made = new std::filesystem::path(
        std::filesystem::temp_directory_path() /
        absl::StrCat("engram_cache_fuzzer_", getpid()));
    std::filesystem::create_directories(*made);
    std::atexit([] { std::filesystem::remove_all(Folder()); });
    return made;
  }();
  return *folder;
}

void WriteFile(const std::string& path, absl::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// An index's files, whose keys are to be written by whoever asks.
struct Files {
  search::IndexSpec spec;
  search::SavedIndex saved;
  int64_t vectors = 0;
};

// The files of an index of `vectors`, all in its graph: the first `chunks` of
// them are those of one record, each other is a record's.
Files MakeFiles(int64_t generation, int chunks,
                const std::vector<std::vector<float>>& vectors) {
  Files files = {.spec = {.generation = generation,
                          .dimensions = kDimensions,
                          .metric = search::Metric::kDot},
                 .vectors = static_cast<int64_t>(vectors.size())};
  VectorIndex index(files.spec, {.min_bytes = 0});
  for (int64_t row = 0, at = 0; at < files.vectors; ++row) {
    const std::string id = absl::StrCat("r", row);
    search::IndexChange change = {
        .kind = search::IndexChange::Kind::kPutVectors, .row = row, .id = id};
    do {
      change.chunks.push_back(vector::Pack(vectors[at++]));
    } while (at < chunks);
    index.Apply({change}, 1);
  }
  index.Optimize([] { return true; });
  Expect(files.vectors < 200 || IsWalked(index), "a search walks the graph");
  auto saved =
      index.Save(Folder() / absl::StrCat(generation), search::SavedIndex());
  Expect(saved.ok(), "an index can be saved");
  files.saved = *std::move(saved);
  return files;
}

// Two records, one of two chunks: next to every byte of its keys counts.
Files& SmallIndex() {
  static Files files =
      MakeFiles(1, 2, {{1.0f, 0.0f}, {0.5f, 1.0f}, {2.0f, 2.0f}});
  return files;
}

// So many records that a search walks the graph, rather than scan all.
Files& WalkedIndex() {
  static Files files = [] {
    std::vector<std::vector<float>> vectors;
    for (int i = 0; i < 200; ++i) {
      const auto angle = static_cast<float>(i * 3.14159 / 100);
      vectors.push_back({std::cos(angle), std::sin(angle)});
    }
    return MakeFiles(2, 1, vectors);
  }();
  return files;
}

void ReadKeys(absl::string_view bytes, Files& files) {
  WriteFile(files.saved.keys_path, bytes);
  const auto index = VectorIndex::Load(files.spec, files.saved, /*sequence=*/5);
  if (!index.ok()) return;
  const search::FrozenIndex all = (*index)->Freeze();
  Expect(static_cast<int64_t>(all.vectors.size()) == files.vectors,
         "there are as many keys as vectors");
  const std::vector<float> query = {1.0f, 1.0f};
  Expect(!Search(**index).candidates.empty(), "a search finds something");
  // Each vector is a record's, is found by it, and goes with it.
  for (const search::FrozenVector& each : all.vectors) {
    if (each.chunk != 0) continue;
    Expect((*index)->SearchRows(query, 5, search::RowSet({each.row}),
                                search::AnyRow, {})
                   .candidates.size() == 1,
           "a row is found");
    Search(**index);
    (*index)->Apply({{.kind = search::IndexChange::Kind::kDeleteRecord,
                      .row = each.row,
                      .sequence = 6}},
                    6);
  }
  Expect((*index)->Stats().vectors == 0, "all records can be deleted");
}

constexpr uint64_t kWidth = 4;

// Loads a base and its changes, and uses what becomes of them.
void UseBytes(search::SavedBytes& saved, uint64_t file_bytes) {
  auto loaded = search::MappedBytes::Load(saved, kWidth);
  if (!loaded.ok()) return;
  search::MappedBytes& bytes = *loaded;
  Expect(bytes.size() % kWidth == 0, "there are whole items");
  Expect(bytes.size() <= file_bytes, "they are as the files are long");
  std::string model(bytes.data(), bytes.size());
  if (!model.empty()) {
    bytes.Write(model.size() - kWidth, "last");
    model.replace(model.size() - kWidth, kWidth, "last");
  }
  bytes.Append("more");
  model += "more";
  Expect(model == absl::string_view(bytes.data(), bytes.size()),
         "they can be written");
  auto again = bytes.Save(Folder() / "again", kWidth, /*anew=*/false, saved);
  Expect(again.ok(), "they can be saved");
  const auto copy = search::MappedBytes::Load(*again, kWidth);
  Expect(copy.ok() && model == absl::string_view(copy->data(), copy->size()),
         "a copy is the same");
}

// A base, without the zeros between its header and what is in it, that nothing
// was changed of.
void ReadBase(absl::string_view bytes) {
  constexpr size_t kHeaderBytes = 64 << 10;
  constexpr size_t kWords = 24;
  search::SavedBytes saved = {.base_path = Folder() / "base",
                              .changes_path = Folder() / "base.changes"};
  std::string file(bytes.substr(0, kWords));
  if (bytes.size() >= kWords) file.resize(kHeaderBytes);
  if (bytes.size() > kWords) absl::StrAppend(&file, bytes.substr(kWords));
  // Mapped files are not written to.
  std::filesystem::remove(saved.base_path);
  WriteFile(saved.base_path, file);
  std::string changes = "engrchg1";
  const uint64_t size =
      file.size() < kHeaderBytes ? 0 : file.size() - kHeaderBytes;
  search::AppendNumber<uint64_t>(changes, size);
  search::AppendNumber<uint64_t>(changes, size);
  search::AppendNumber<uint64_t>(changes, 0);
  WriteFile(saved.changes_path, changes);
  UseBytes(saved, file.size());
}

// The changes of a base of a page and a few bytes.
void ReadChanges(absl::string_view bytes) {
  static search::SavedBytes saved = [] {
    search::MappedBytes base;
    base.Append(std::string(search::MappedBytes::kPageBytes + 8, 'b'));
    auto made = base.Save(Folder() / "fixed", kWidth, true, {});
    Expect(made.ok(), "a base can be saved");
    return *std::move(made);
  }();
  WriteFile(saved.changes_path, bytes);
  UseBytes(saved, 2 * search::MappedBytes::kPageBytes + bytes.size());
}

}  // namespace

int FuzzCache(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data + 1),
                                size - 1);
  switch (data[0] % 7) {
    case 0:
      ReadManifest(bytes);
      break;
    case 1:
      ReadGraph(bytes, hnsw::Metric::kDot);
      break;
    case 2:
      ReadGraph(bytes, hnsw::Metric::kL2);
      break;
    case 3:
      ReadKeys(bytes, SmallIndex());
      break;
    case 4:
      ReadBase(bytes);
      break;
    case 5:
      ReadChanges(bytes);
      break;
    default:
      ReadKeys(bytes, WalkedIndex());
  }
  return 0;
}

}  // namespace engram::fuzz
