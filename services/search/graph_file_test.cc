#include "services/search/graph_file.h"

#include <faiss/IndexHNSW.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph_builder.h"
#include "libs/hnsw/graph_search.h"
#include "libs/hnsw/testing/float32_codes.h"
#include "libs/hnsw/testing/sample_vectors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/durable_file.h"

namespace engram::search {
namespace {

using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using hnsw::CodeTable;
using hnsw::Graph;
using hnsw::SampleVectors;

constexpr int kDimensions = 12;
constexpr int kWidth = 64;

template <typename T>
std::vector<T> ToVector(const hnsw::HugeArray<T>& array) {
  return {array.data(), array.data() + array.size()};
}

struct Kind {
  hnsw::Metric metric;
  // Of a code.
  int bits;
};

CodeTable MakeCodes(const SampleVectors& vectors, int bits) {
  if (bits == 32) {
    return hnsw::Float32Codes(vectors.rows, kDimensions, vectors.metric);
  }
  CodeTable wide(vectors.rows.data(), vectors.count(), kDimensions,
                 vectors.metric);
  if (bits == 8) return wide;
  return CodeTable::Narrow(wide.view());
}

// A graph and its file.
struct Sample {
  Sample(int64_t count, Kind kind)
      : vectors(count, kDimensions, kind.metric,
                kind.metric == hnsw::Metric::kDot),
        codes(MakeCodes(vectors, kind.bits)),
        graph(*BuildGraph(
            MakeCodes(vectors, kind.bits == 4 ? 8 : kind.bits).view(), {})),
        path(std::filesystem::path(::testing::TempDir()) /
             absl::StrCat("graph_file_", getpid())) {}
  ~Sample() { std::filesystem::remove(path); }

  std::string Bytes() const {
    EXPECT_THAT(WriteGraphFile(path, graph, codes.view()), IsOk());
    return *ReadFile(path);
  }
  absl::StatusOr<StoredGraph> Decode(absl::string_view bytes) const {
    return DecodeGraphFile(bytes, kDimensions, vectors.metric);
  }

  const SampleVectors vectors;
  const CodeTable codes;
  const Graph graph;
  const std::string path;
};

std::vector<hnsw::FoundNode> Search(const StoredGraph& stored,
                                    absl::Span<const float> query) {
  const hnsw::CodeView codes = stored.codes.view();
  hnsw::SearchScratch scratch;
  hnsw::GraphSearchResult result;
  SearchGraph(stored.graph, codes,
              hnsw::EncodedQuery(query, codes.range, codes.metric),
              {.limit = 10, .width = kWidth}, scratch, result);
  return result.nodes;
}

class GraphFileTest : public ::testing::TestWithParam<Kind> {};

INSTANTIATE_TEST_SUITE_P(
    All, GraphFileTest,
    ::testing::Values(Kind{hnsw::Metric::kDot, 8}, Kind{hnsw::Metric::kL2, 8},
                      Kind{hnsw::Metric::kDot, 4}, Kind{hnsw::Metric::kL2, 4},
                      Kind{hnsw::Metric::kDot, 32},
                      Kind{hnsw::Metric::kL2, 32}),
    [](const auto& info) {
      return absl::StrCat(info.param.metric == hnsw::Metric::kL2 ? "L2" : "Dot",
                          "_", info.param.bits, "bits");
    });

TEST_P(GraphFileTest, AGraphComesBackAsItWas) {
  for (const int64_t count : {0, 1, 3, 700}) {
    const Sample sample(count, GetParam());
    const auto stored = sample.Decode(sample.Bytes());
    ASSERT_THAT(stored, IsOk());
    const Graph::Parts& before = sample.graph.parts();
    const Graph::Parts& after = stored->graph.parts();
    EXPECT_EQ(ToVector(after.base_links), ToVector(before.base_links));
    EXPECT_EQ(after.upper_nodes, before.upper_nodes);
    EXPECT_EQ(after.upper_levels, before.upper_levels);
    EXPECT_EQ(after.upper_links, before.upper_links);
    EXPECT_EQ(after.entry_node, before.entry_node);
    const hnsw::CodeView codes = stored->codes.view();
    EXPECT_EQ(codes.range, sample.codes.view().range);
    ASSERT_EQ(codes.size, count);
    if (count == 0) continue;
    EXPECT_EQ(std::memcmp(codes.codes, sample.codes.view().codes,
                          count * codes.row_bytes()),
              0);
    EXPECT_EQ(codes.row_bytes(), kDimensions * GetParam().bits / 8);
  }
}

// This FAISS is Debian's; tests/deploy/faiss_test.py asks the newest.
TEST_P(GraphFileTest, FaissReadsItAndWritesTheSame) {
  const Sample sample(700, GetParam());
  const std::string bytes = sample.Bytes();
  const std::unique_ptr<faiss::Index> read(
      faiss::read_index(sample.path.c_str()));
  const auto* index = dynamic_cast<const faiss::IndexHNSW*>(read.get());
  ASSERT_NE(index, nullptr);
  if (GetParam().bits == 32) {
    const auto* flat = dynamic_cast<const faiss::IndexFlat*>(index->storage);
    ASSERT_NE(flat, nullptr);
    EXPECT_TRUE(std::equal(sample.vectors.rows.begin(),
                           sample.vectors.rows.end(), flat->get_xb()));
  } else {
    const auto* codes =
        dynamic_cast<const faiss::IndexScalarQuantizer*>(index->storage);
    ASSERT_NE(codes, nullptr);
    EXPECT_EQ(codes->sq.qtype, GetParam().bits == 8
                                   ? faiss::ScalarQuantizer::QT_8bit_uniform
                                   : faiss::ScalarQuantizer::QT_4bit_uniform);
  }
  EXPECT_EQ(index->ntotal, 700);
  EXPECT_GT(index->hnsw.max_level, 0);

  faiss::VectorIOWriter again;
  faiss::write_index(index, &again);
  EXPECT_TRUE(std::string(again.data.begin(), again.data.end()) == bytes);
}

// The codes mean the same to it, and the links lead it to the same nodes.
TEST_P(GraphFileTest, FaissFindsNearlyTheSame) {
  const Sample sample(700, GetParam());
  const auto stored = sample.Decode(sample.Bytes());
  const std::unique_ptr<faiss::Index> read(
      faiss::read_index(sample.path.c_str()));
  auto* index = dynamic_cast<faiss::IndexHNSW*>(read.get());
  ASSERT_NE(index, nullptr);
  index->hnsw.efSearch = kWidth;
  // ThreadSanitizer does not see what OpenMP's threads wait for.
  omp_set_num_threads(1);
  constexpr int kQueries = 50;
  std::vector<float> scores(kQueries * 10);
  std::vector<faiss::Index::idx_t> nodes(kQueries * 10);
  index->search(kQueries, sample.vectors.rows.data(), 10, scores.data(),
                nodes.data());
  int same = 0;
  for (int row = 0; row < kQueries; ++row) {
    const auto found = nodes.begin() + row * 10;
    for (const hnsw::FoundNode& ours :
         Search(*stored, sample.vectors.Row(row))) {
      same += static_cast<int>(std::count(found, found + 10, ours.node));
    }
  }
  EXPECT_GT(same, 9 * kQueries);  // Queries of ours are rounded, too.
}

// Whatever a byte becomes, it is refused or is a graph that can be walked.
TEST_P(GraphFileTest, WhateverAByteBecomesNoWalkLeavesTheGraph) {
  const Sample sample(40, GetParam());
  std::string bytes = sample.Bytes();
  int refused = 0;
  for (char& byte : bytes) {
    for (const int flip : {0x01, 0x80}) {
      byte ^= flip;
      const auto stored = sample.Decode(bytes);
      byte ^= flip;
      if (!stored.ok()) {
        EXPECT_THAT(stored, StatusIs(absl::StatusCode::kDataLoss));
        ++refused;
        continue;
      }
      for (const hnsw::FoundNode& found :
           Search(*stored, sample.vectors.Row(0))) {
        ASSERT_LT(found.node, 40);
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST_P(GraphFileTest, WhatIsCutOffOrTooLongIsRefused) {
  const Sample sample(40, GetParam());
  std::string bytes = sample.Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_THAT(sample.Decode(absl::string_view(bytes).substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  bytes.push_back('\0');
  EXPECT_THAT(sample.Decode(bytes),
              StatusIs(absl::StatusCode::kDataLoss, "1 bytes too many"));
}

TEST_P(GraphFileTest, AGraphOfAnotherKindIsRefused) {
  const Sample sample(40, GetParam());
  const std::string bytes = sample.Bytes();
  EXPECT_THAT(DecodeGraphFile(bytes, kDimensions + 1, GetParam().metric),
              StatusIs(absl::StatusCode::kDataLoss, "of 13 dimensions"));
  EXPECT_THAT(DecodeGraphFile(bytes, kDimensions,
                              GetParam().metric == hnsw::Metric::kL2
                                  ? hnsw::Metric::kDot
                                  : hnsw::Metric::kL2),
              StatusIs(absl::StatusCode::kDataLoss, "metric"));
}

TEST_P(GraphFileTest, AFullDiskIsSaid) {
  const Sample sample(40, GetParam());
  EXPECT_THAT(WriteGraphFile("/dev/full", sample.graph, sample.codes.view()),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace engram::search
