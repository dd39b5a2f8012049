// Graphs that are built and searched, against brute force.

#include "libs/hnsw/graph_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/hnsw/code_distances.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph_builder.h"
#include "libs/hnsw/node_scan.h"
#include "libs/hnsw/rerank.h"
#include "libs/hnsw/testing/float32_codes.h"
#include "libs/hnsw/testing/sample_vectors.h"

namespace engram::hnsw {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Vectors with their codes and their graph.
struct Segment {
  explicit Segment(SampleVectors sample, GraphBuildOptions options = {})
      : vectors(std::move(sample)),
        table(vectors.rows.data(), vectors.count(), vectors.dimensions,
              vectors.metric),
        graph(*BuildGraph(table.view(), options)) {}

  // Builds it over the vectors themselves.
  void BuildOverFloat32() {
    table = Float32Codes(vectors.rows, vectors.dimensions, vectors.metric);
    graph = *BuildGraph(table.view(), {});
  }

  // Has it search by 4-bit codes from now on.
  void Narrow() { table = CodeTable::Narrow(table.view()); }

  GraphSearchResult Find(absl::Span<const float> query,
                         const GraphSearchOptions& options,
                         SearchScratch& scratch) const {
    GraphSearchResult result;
    const CodeView codes = table.view();
    SearchGraph(graph, codes, EncodedQuery(query, codes.range, codes.metric),
                options, scratch, result);
    if (!codes.range.is_float32()) {
      Rerank(query, vectors.rows.data(), vectors.metric, result.nodes);
    }
    return result;
  }

  GraphSearchResult Find(absl::Span<const float> query,
                         const GraphSearchOptions& options) const {
    SearchScratch scratch;
    return Find(query, options, scratch);
  }

  // The share of the ten nearest of those that pass that `width` finds, over
  // some rows as queries, each a little off.
  double Recall(int width, const NodeBitmap* filter = nullptr) const {
    constexpr int kQueries = 25;
    std::vector<std::vector<float>> queries;
    for (int q = 0; q < kQueries; ++q) {
      const auto row = vectors.Row(q * vectors.count() / kQueries);
      std::vector<float>& query = queries.emplace_back(row.begin(), row.end());
      for (float& value : query) value *= 1.01f;
      query[0] += 0.1f;
    }
    return Recall(queries, width, filter);
  }

  double Recall(absl::Span<const std::vector<float>> queries, int width,
                const NodeBitmap* filter = nullptr) const {
    constexpr size_t kNearest = 10;
    SearchScratch scratch;
    double hits = 0;
    for (const std::vector<float>& query : queries) {
      std::vector<float> scores = vectors.Scores(query);
      std::vector<float> passing;
      for (uint32_t node = 0; node < scores.size(); ++node) {
        if (filter == nullptr || filter->Contains(node)) {
          passing.push_back(scores[node]);
        }
      }
      std::sort(passing.begin(), passing.end(),
                [&](float a, float b) { return vectors.Better(a, b); });
      const auto found =
          Find(query, {.limit = kUsualRerank, .width = width, .filter = filter},
               scratch);
      for (size_t i = 0; i < kNearest && i < found.nodes.size(); ++i) {
        EXPECT_TRUE(filter == nullptr || filter->Contains(found.nodes[i].node));
        if (!vectors.Better(passing[kNearest - 1], found.nodes[i].score)) {
          ++hits;
        }
      }
    }
    return hits / (queries.size() * kNearest);
  }

  SampleVectors vectors;
  CodeTable table;
  Graph graph;
};

struct Case {
  std::string name;
  Metric metric;
  bool unit_length;
};

class GraphSearchTest : public ::testing::TestWithParam<Case> {
 protected:
  static SampleVectors Vectors(int64_t count, int dimensions) {
    return {count, dimensions, GetParam().metric, GetParam().unit_length};
  }
};

TEST_P(GraphSearchTest, FindsWhatBruteForceFinds) {
  const Segment segment(Vectors(600, 16));
  EXPECT_GE(segment.Recall(/*width=*/64), 0.98);
}

TEST_P(GraphSearchTest, FindsAsMuchWhenSeveralThreadsBuild) {
  const Segment segment(Vectors(600, 16), {.threads = 4});
  EXPECT_GE(segment.Recall(/*width=*/64), 0.98);
}

TEST_P(GraphSearchTest, FindsNearlyAsMuchBy4BitCodes) {
  Segment segment(Vectors(600, 33));
  segment.Narrow();
  EXPECT_GE(segment.Recall(/*width=*/64), 0.95);
}

TEST_P(GraphSearchTest, FindsAsMuchByFloat32) {
  Segment segment(Vectors(600, 33));
  segment.BuildOverFloat32();
  EXPECT_GE(segment.Recall(/*width=*/64), 0.98);
}

// To the last bit, and in their order.
TEST_P(GraphSearchTest, ScoresByFloat32AreTheExactOnes) {
  Segment segment(Vectors(500, 17));
  segment.BuildOverFloat32();
  const auto query = segment.vectors.Row(7);
  const std::vector<float> exact = segment.vectors.Scores(query);
  const auto found = segment.Find(query, {.limit = 30}).nodes;
  ASSERT_THAT(found, SizeIs(30));
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].score, exact[found[i].node]);
    if (i == 0) continue;
    EXPECT_FALSE(segment.vectors.Better(found[i].score, found[i - 1].score));
  }
}

// Sums that overflow, and products of opposite signs that are no number.
TEST_P(GraphSearchTest, ExtremeVectorsAreAllFoundByFloat32) {
  SampleVectors vectors = Vectors(40, 2);
  for (const float value : {FLT_MAX, -FLT_MAX, FLT_MIN, 0.0f, -0.0f}) {
    vectors.rows.insert(vectors.rows.end(), {value, value, value, -value});
  }
  Segment segment(std::move(vectors));
  segment.BuildOverFloat32();
  const std::vector<float> query = {FLT_MAX, FLT_MAX};
  const auto found = segment.Find(query, {.limit = 50, .width = 50}).nodes;
  ASSERT_THAT(found, SizeIs(50));
  const auto is_no_number = [](const FoundNode& node) {
    return std::isnan(node.score);
  };
  const auto first_of_these =
      std::find_if(found.begin(), found.end(), is_no_number);
  EXPECT_TRUE(std::all_of(first_of_these, found.end(), is_no_number));
  EXPECT_TRUE(std::is_sorted(found.begin(), first_of_these,
                             [&](const FoundNode& a, const FoundNode& b) {
                               return segment.vectors.Better(a.score, b.score);
                             }));
}

TEST_P(GraphSearchTest, AScanOfSomeNodesFindsTheNearestByTheirCodes) {
  // More than are scored at once.
  std::vector<uint32_t> nodes;
  for (uint32_t node = 1; node < 600; node += 2) nodes.push_back(599 - node);
  // Of one dimension many are equally near.
  for (const auto& [dimensions, is_narrow] :
       {std::pair(33, false), {33, true}, {1, false}}) {
    Segment segment(Vectors(600, dimensions));
    if (is_narrow) segment.Narrow();
    const CodeView codes = segment.table.view();
    const EncodedQuery query(segment.vectors.Row(7), codes.range, codes.metric);
    std::vector<std::pair<int32_t, uint32_t>> nearest;
    for (const uint32_t node : nodes) {
      int32_t distance = 0;
      QueryDistances(codes, query).Score(&node, 1, &distance);
      nearest.emplace_back(distance, node);
    }
    std::sort(nearest.begin(), nearest.end());
    for (const size_t limit : {1, 30, 1000}) {
      // Whether codes are fetched ahead or not.
      const int64_t expected = limit == 30 ? int64_t{1} << 40 : 0;
      NodeScan scan(codes, segment.vectors.Row(7), static_cast<int>(limit),
                    expected);
      // In parts that are not of one size.
      for (size_t part = 0, i = 0; i < nodes.size(); i += part, part += 7) {
        scan.Add(absl::MakeConstSpan(nodes).subspan(i, part));
      }
      const GraphSearchResult found = scan.Result();
      EXPECT_EQ(found.distances, nodes.size());
      ASSERT_EQ(found.nodes.size(), std::min(limit, nodes.size()));
      for (size_t i = 0; i < found.nodes.size(); ++i) {
        EXPECT_EQ(found.nodes[i], (FoundNode{nearest[i].second,
                                             query.ScoreOf(nearest[i].first)}));
      }
    }
    const NodeScan none(codes, segment.vectors.Row(7), 10, 0);
    EXPECT_THAT(none.Result().nodes, IsEmpty());
  }
}

TEST_P(GraphSearchTest, AFilterLeavesOutAllOthersAndLosesNothing) {
  const Segment segment(Vectors(600, 16));
  std::vector<uint64_t> words(600 / 64);  // The last few are not in it.
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] = 0x1111111111111111 << (i % 4);
  }
  const NodeBitmap quarter(words);
  EXPECT_GE(segment.Recall(/*width=*/128, &quarter), 0.98);
  const NodeBitmap none({});
  EXPECT_THAT(segment.Find(segment.vectors.Row(0), {.filter = &none}).nodes,
              IsEmpty());
}

// The nearest of them, in order, as far as the walk got.
TEST_P(GraphSearchTest, MoreThanAWalkGoesOnFromAreReturned) {
  const Segment segment(Vectors(600, 16));
  const auto query = segment.vectors.Row(7);
  const auto narrow = segment.Find(query, {.limit = 8, .width = 8}).nodes;
  const auto found = segment.Find(query, {.limit = 60, .width = 8}).nodes;
  ASSERT_THAT(narrow, SizeIs(8));
  ASSERT_THAT(found, SizeIs(60));
  EXPECT_TRUE(std::equal(narrow.begin(), narrow.begin() + 4, found.begin()));
  EXPECT_TRUE(std::is_sorted(found.begin(), found.end(),
                             [&](const FoundNode& a, const FoundNode& b) {
                               return segment.vectors.Better(a.score, b.score);
                             }));
}

TEST_P(GraphSearchTest, AHiddenNodeIsNotFoundAndHidesNoOther) {
  const Segment segment(Vectors(600, 16));
  const auto& upper = segment.graph.parts().upper_nodes;
  for (uint32_t node = 0; node < 600; node += 37) {
    if (std::binary_search(upper.begin(), upper.end(), node)) continue;
    const auto query = segment.vectors.Row(node);
    const GraphSearchOptions all = {.limit = 600, .width = 600};
    GraphSearchOptions others = all;
    others.hidden = node;
    EXPECT_THAT(segment.Find(query, all).nodes, SizeIs(600));
    const auto found = segment.Find(query, others).nodes;
    EXPECT_THAT(found, SizeIs(599));
    EXPECT_TRUE(
        std::none_of(found.begin(), found.end(),
                     [&](const FoundNode& each) { return each.node == node; }));
  }
}

TEST_P(GraphSearchTest, FewVectorsAreAllFoundNearestFirst) {
  for (int dimensions : {1, 3}) {
    for (int count : {0, 1, 2, 3, 10, 33}) {
      const Segment segment(Vectors(count, dimensions));
      const std::vector<float> query(dimensions, 0.5f);
      const auto found = segment.Find(query, {.limit = 100}).nodes;
      ASSERT_THAT(found, SizeIs(count));
      std::set<uint32_t> nodes;
      for (const FoundNode& node : found) nodes.insert(node.node);
      EXPECT_THAT(nodes, SizeIs(count));
      EXPECT_TRUE(std::is_sorted(found.begin(), found.end(),
                                 [&](const FoundNode& a, const FoundNode& b) {
                                   return segment.vectors.Better(a.score,
                                                                 b.score);
                                 }));
    }
  }
}

TEST_P(GraphSearchTest, EqualVectorsAreAllFound) {
  SampleVectors vectors = Vectors(1, 8);
  const std::vector<float> row = vectors.rows;
  while (vectors.count() < 150) {
    vectors.rows.insert(vectors.rows.end(), row.begin(), row.end());
  }
  const Segment segment(std::move(vectors));
  const auto found = segment.Find(row, {.limit = 150, .width = 150}).nodes;
  EXPECT_THAT(found, SizeIs(150));
}

// Many equal vectors must not hide the others.
TEST_P(GraphSearchTest, CopiesHideNothing) {
  SampleVectors vectors = Vectors(200, 8);
  // More copies of each than an insertion has candidates.
  for (int i = 0; i < 400; ++i) {
    const auto row = vectors.Row(i % 3);
    const std::vector<float> copy(row.begin(), row.end());
    vectors.rows.insert(vectors.rows.end(), copy.begin(), copy.end());
  }
  Segment segment(std::move(vectors));
  for (const bool is_float32 : {false, true}) {
    if (is_float32) segment.BuildOverFloat32();
    EXPECT_GE(segment.Recall(/*width=*/128), 0.95);
    EXPECT_THAT(
        segment.Find(segment.vectors.Row(0), {.limit = 600, .width = 600})
            .nodes,
        SizeIs(600));
  }
}

// Nine rows in ten are copies, of fifty others.
TEST_P(GraphSearchTest, MostlyCopiesCostNoRecall) {
  SampleVectors vectors = Vectors(300, 16);
  const std::vector<float> once = vectors.rows;
  for (int i = 0; i < 2700; ++i) {
    const auto copied = once.begin() + i % 50 * 16;
    vectors.rows.insert(vectors.rows.begin(), copied, copied + 16);
  }
  const Segment segment(std::move(vectors));
  EXPECT_GE(segment.Recall(/*width=*/64), 0.98);
  // Walks begin among many equal ones, too.
  for (uint32_t slot = 0; slot < segment.graph.parts().upper_nodes.size();
       ++slot) {
    EXPECT_NE(segment.graph.UpperLinks(slot, 1)[0], kNoNode);
  }
  // None is linked with itself.
  for (uint32_t node = 0; node < segment.graph.size(); ++node) {
    const uint32_t* links = segment.graph.BaseLinks(node);
    EXPECT_EQ(std::count(links, links + Graph::kBaseLinks, node), 0);
  }
}

TEST_P(GraphSearchTest, ScoresBeforeRerankingAreNearTheExactOnes) {
  const Segment segment(Vectors(500, 16));
  const auto query = segment.vectors.Row(7);
  const CodeView codes = segment.table.view();
  SearchScratch scratch;
  GraphSearchResult result;
  SearchGraph(segment.graph, codes,
              EncodedQuery(query, codes.range, codes.metric), {}, scratch,
              result);
  const std::vector<float> exact = segment.vectors.Scores(query);
  ASSERT_THAT(result.nodes, SizeIs(10));
  for (const FoundNode& found : result.nodes) {
    EXPECT_NEAR(found.score, exact[found.node],
                0.05 * (1 + std::abs(exact[found.node])));
  }
  EXPECT_GT(result.distances, 20);
  EXPECT_LE(result.distances, 700);
}

TEST_P(GraphSearchTest, OneThreadBuildsTheSameGraphEachTime) {
  const Segment first(Vectors(300, 8)), second(Vectors(300, 8));
  const Graph::Parts& a = first.graph.parts();
  const Graph::Parts& b = second.graph.parts();
  EXPECT_TRUE(std::equal(a.base_links.data(),
                         a.base_links.data() + a.base_links.size(),
                         b.base_links.data()));
  EXPECT_EQ(a.upper_links, b.upper_links);
  EXPECT_EQ(a.entry_node, b.entry_node);
}

INSTANTIATE_TEST_SUITE_P(Metrics, GraphSearchTest,
                         ::testing::Values(Case{"Cosine", Metric::kDot, true},
                                           Case{"Dot", Metric::kDot, false},
                                           Case{"L2", Metric::kL2, false}),
                         [](const auto& info) { return info.param.name; });

// Vectors in all directions, some of which are zero: these are nearer to
// anything than most others.
class ZeroVectorsTest : public ::testing::Test {
 protected:
  static constexpr int kVectors = 700;
  static constexpr int kZeros = 100;

  std::vector<float> Draw(int64_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = normal_(random_);
    return values;
  }

  // The zeros are the rows from `first_zero` on.
  Segment Build(int dimensions, int first_zero) {
    SampleVectors vectors(0, dimensions, Metric::kL2, false);
    vectors.rows = Draw(kVectors * dimensions);
    std::fill_n(vectors.rows.begin() + first_zero * dimensions,
                kZeros * dimensions, 0);
    return Segment(std::move(vectors));
  }

  std::mt19937 random_{5};
  std::normal_distribution<float> normal_;
};

TEST_F(ZeroVectorsTest, AreFoundByAWalkOfAnyWidth) {
  const Segment segment = Build(64, 0);
  for (int limit : {10, 30, kZeros}) {
    const auto query = segment.vectors.Row(kZeros + limit);
    const auto found =
        segment.Find(query, {.limit = limit, .width = limit}).nodes;
    ASSERT_THAT(found, SizeIs(limit));
    // The first is the query itself.
    for (int i = 1; i < limit; ++i) EXPECT_LT(found[i].node, kZeros) << i;
  }
}

TEST_F(ZeroVectorsTest, HoldUpNoWalkToWhatIsNearer) {
  const Segment segment = Build(16, kVectors - kZeros);
  std::vector<std::vector<float>> queries;
  for (int i = 0; i < 100; ++i) queries.push_back(Draw(16));
  EXPECT_GE(segment.Recall(queries, /*width=*/32), 0.993);
}

TEST(GraphBuilderTest, SaysHowFarItIsAndStopsWhenToldTo) {
  const SampleVectors vectors(1500, 4, Metric::kDot, true);
  const CodeTable table(vectors.rows.data(), 1500, 4, Metric::kDot);
  std::vector<int64_t> seen;
  size_t stop_at = 0;
  const auto go_on = [&](int64_t inserted) {
    seen.push_back(inserted);
    return seen.size() < stop_at;
  };
  for (int threads : {1, 3}) {
    seen.clear();
    stop_at = 1;
    const auto graph = BuildGraph(
        table.view(), {.threads = threads, .width = 5, .go_on = go_on});
    EXPECT_EQ(graph.status().code(), absl::StatusCode::kCancelled);
    EXPECT_THAT(seen, ElementsAre(0));
  }
  // Alone, because of several threads others may be done before it is asked.
  seen.clear();
  stop_at = 3;
  const auto graph =
      BuildGraph(table.view(), {.threads = 1, .width = 5, .go_on = go_on});
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(seen, ElementsAre(0, 64, 128));
}

TEST(ScratchPoolTest, SearchesAtOnceHaveScratchesOfTheirOwn) {
  const Segment segment(SampleVectors(150, 8, Metric::kL2, false));
  ScratchPool pool;
  const auto want = segment.Find(segment.vectors.Row(3), {}).nodes;
  std::atomic<int> same = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const ScratchPool::Lease scratch = pool.Take();
        if (segment.Find(segment.vectors.Row(3), {}, *scratch).nodes == want) {
          ++same;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, 20);
}

// More walks than a stamp has values.
TEST(SearchScratchTest, IsGoodForAnyNumberOfSearchesAndForGraphsOfAnySize) {
  const Segment large(SampleVectors(60, 4, Metric::kL2, false));
  const Segment small(SampleVectors(3, 4, Metric::kL2, false));
  SearchScratch scratch;
  const auto want = large.Find(large.vectors.Row(0), {}).nodes;
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(large.Find(large.vectors.Row(0), {}, scratch).nodes, want);
    ASSERT_THAT(small.Find(small.vectors.Row(0), {}, scratch).nodes, SizeIs(3));
  }
}

TEST(RerankTest, OrdersByTheExactScoreThenByNode) {
  const std::vector<float> vectors = {1, 0, 3, 0, 2, 0, 3, 0};
  const std::vector<float> query = {1, 0};
  std::vector<FoundNode> nodes = {{0, 9}, {3, 8}, {2, 7}, {1, 6}};
  Rerank(query, vectors.data(), Metric::kDot, nodes);
  EXPECT_THAT(nodes, ElementsAre(FoundNode{1, 3}, FoundNode{3, 3},
                                 FoundNode{2, 2}, FoundNode{0, 1}));
  Rerank(query, vectors.data(), Metric::kL2, nodes);
  EXPECT_THAT(nodes, ElementsAre(FoundNode{0, 0}, FoundNode{2, 1},
                                 FoundNode{1, 4}, FoundNode{3, 4}));
}

TEST(RerankTest, WhatHasNoScoreComesLast) {
  const std::vector<float> vectors = {3e38f, -3e38f, 0.1f, 0.1f, 3e38f, 3e38f};
  const std::vector<float> query = {3e38f, 3e38f};
  std::vector<FoundNode> nodes = {{0, 0}, {1, 0}, {2, 0}};
  Rerank(query, vectors.data(), Metric::kDot, nodes);
  EXPECT_EQ(nodes[0].node, 2);
  EXPECT_EQ(nodes[1].node, 1);
  EXPECT_EQ(nodes[2].node, 0);
}

}  // namespace
}  // namespace engram::hnsw
