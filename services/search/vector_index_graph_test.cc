// A VectorIndex with a graph: it finds nearly all of what a scan finds, and
// never anything that is not so any more.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/vector/vector.h"
#include "services/search/testing/exact_index.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

using testing::ExactIndex;

constexpr int kDimensions = 16;
constexpr int kRecords = 1200;
constexpr int kLimit = 10;
constexpr int kThreads = 2;

bool Always() { return true; }

std::string IdOf(int64_t row) { return absl::StrCat("id", row); }

// Vectors in clusters, as those of texts lie.
class Clusters {
 public:
  std::vector<float> Next() {
    if (centers_.empty()) {
      for (int i = 0; i < 40; ++i) centers_.push_back(Draw(nullptr));
    }
    return Draw(&centers_[random_() % centers_.size()]);
  }
  uint32_t Number() { return static_cast<uint32_t>(random_()); }

 private:
  std::vector<float> Draw(const std::vector<float>* center) {
    std::vector<float> values(kDimensions);
    for (int i = 0; i < kDimensions; ++i) {
      values[i] = normal_(random_) * (center == nullptr ? 1.0f : 0.3f) +
                  (center == nullptr ? 0 : (*center)[i]);
    }
    vector::Normalize(absl::MakeSpan(values));
    return values;
  }

  std::mt19937 random_{5};
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> centers_;
};

class VectorIndexGraphTest : public ::testing::TestWithParam<Metric> {
 protected:
  explicit VectorIndexGraphTest(int64_t min_bytes = 0)
      : index_(
            {.generation = 1, .dimensions = kDimensions, .metric = GetParam()},
            {
                .min_bytes = min_bytes,
            }) {}

  void Put(int64_t row, const std::vector<std::vector<float>>& chunks) {
    const std::string id = IdOf(row);
    IndexChange change{.kind = IndexChange::Kind::kPutVectors,
                       .row = row,
                       .sequence = ++sequence_,
                       .id = id};
    for (const auto& chunk : chunks) {
      change.chunks.push_back(vector::Pack(chunk));
    }
    index_.Apply({change}, sequence_);
    exact_.Put(row, id, chunks);
  }
  void Delete(int64_t row) {
    ++sequence_;
    index_.Apply({{.kind = IndexChange::Kind::kDeleteRecord,
                   .row = row,
                   .sequence = sequence_}},
                 sequence_);
    exact_.Erase(row);
  }
  void PutAll(int records = kRecords, int first = 0) {
    for (int row = first; row < first + records; ++row) {
      Put(row, {clusters_.Next()});
    }
  }
  // Changes records at random, of rows below `rows`.
  void ChangeSome(int changes, int rows) {
    for (int i = 0; i < changes; ++i) {
      const int64_t row = clusters_.Number() % rows;
      i % 3 == 0 ? Delete(row) : Put(row, {clusters_.Next()});
    }
  }

  // Which share of what a scan finds is found.
  double Recall(RowFilter filter = AnyRow) {
    int found = 0;
    int wanted = 0;
    for (int i = 0; i < 50; ++i) {
      const std::vector<float> query = clusters_.Next();
      std::map<std::string, float> all;
      for (const auto& candidate :
           index_.SearchAll(query, kLimit, filter).candidates) {
        all[candidate.id] = candidate.score;
      }
      const auto nearest = index_.Search(query, kLimit, filter).candidates;
      EXPECT_EQ(nearest.size(), all.size());
      for (const auto& candidate : nearest) {
        const auto same = all.find(candidate.id);
        if (same == all.end()) continue;
        EXPECT_EQ(candidate.score, same->second);
        ++found;
      }
      wanted += static_cast<int>(all.size());
    }
    return static_cast<double>(found) / wanted;
  }

  // That a scan finds what the reference has, so each vector is its record's.
  void ExpectExact() {
    const std::vector<float> query = clusters_.Next();
    const auto wanted = exact_.Search(query);
    const auto all =
        index_.SearchAll(query, static_cast<int>(wanted.size()) + 1, AnyRow)
            .candidates;
    ASSERT_EQ(all.size(), wanted.size());
    std::map<std::string, double> scores;
    for (const auto& one : wanted) scores[one.id] = one.score;
    for (const auto& candidate : all) {
      ASSERT_TRUE(scores.contains(candidate.id)) << candidate.id;
      ASSERT_NEAR(candidate.score, scores[candidate.id], 1e-4);
    }
    // And a search finds nothing that is not so.
    for (const auto& candidate :
         index_.Search(query, kLimit, AnyRow).candidates) {
      ASSERT_TRUE(scores.contains(candidate.id)) << candidate.id;
      ASSERT_NEAR(candidate.score, scores[candidate.id], 1e-4);
    }
  }

  Clusters clusters_;
  VectorIndex index_;
  ExactIndex exact_{GetParam()};
  int64_t sequence_ = 0;
};

// One whose changes are too few for a small graph.
class VectorIndexLargeGraphTest : public VectorIndexGraphTest {
 protected:
  VectorIndexLargeGraphTest()
      : VectorIndexGraphTest(kRecords * kDimensions * sizeof(float)) {}
};

std::string NameOf(const ::testing::TestParamInfo<Metric>& info) {
  return info.param == Metric::kL2 ? "L2" : "Cosine";
}
INSTANTIATE_TEST_SUITE_P(All, VectorIndexGraphTest,
                         ::testing::Values(Metric::kCosine, Metric::kL2),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(All, VectorIndexLargeGraphTest,
                         ::testing::Values(Metric::kCosine, Metric::kL2),
                         NameOf);

TEST_P(VectorIndexGraphTest, FindsNearlyAllThatAScanFinds) {
  PutAll();
  EXPECT_EQ(index_.Stats().graph_vectors, 0);
  EXPECT_EQ(Recall(), 1);
  index_.Optimize(kThreads, Always);
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords);
  EXPECT_GT(Recall(), 0.95);
  // Half of the records, and so few that a scan is better.
  EXPECT_GT(Recall([](int64_t row) { return row % 2 == 0; }), 0.95);
  EXPECT_EQ(Recall([](int64_t row) { return row % 100 == 0; }), 1);
  EXPECT_EQ(Recall([](int64_t row) { return row == 7; }), 1);
}

TEST_P(VectorIndexGraphTest, CertainRowsAreFoundByCodesAndScoredExactly) {
  PutAll();
  index_.Optimize(kThreads, Always);
  // Slots that moved, a small graph, and what no graph knows.
  ChangeSome(kRecords / 20, kRecords);
  index_.Optimize(kThreads, Always);
  PutAll(/*records=*/200, /*first=*/kRecords);
  RowSet rows;
  for (int64_t row = 1; row < kRecords + 220; row += 2) rows.Add(row, 1);
  const auto passes = [](int64_t row) { return row % 10 != 3; };
  const auto is_wanted = [&](int64_t row) {
    return row % 2 == 1 && passes(row);
  };
  int found = 0;
  constexpr int kQueries = 50;
  for (int i = 0; i < kQueries; ++i) {
    const std::vector<float> query = clusters_.Next();
    std::map<std::string, float> nearest;
    for (const auto& candidate :
         index_.SearchAll(query, kLimit, is_wanted).candidates) {
      nearest[candidate.id] = candidate.score;
    }
    const auto count_found = [&](const SearchEffort& effort) {
      const auto candidates =
          index_.SearchRows(query, kLimit, rows, passes, effort).candidates;
      EXPECT_EQ(candidates.size(), kLimit);
      int same = 0;
      for (const auto& candidate : candidates) {
        const auto one = nearest.find(candidate.id);
        if (one == nearest.end()) continue;
        EXPECT_EQ(candidate.score, one->second);
        ++same;
      }
      return same;
    };
    found += count_found({});
    EXPECT_EQ(count_found({.target_recall = 1}), kLimit);
  }
  EXPECT_GT(found, kQueries * kLimit * 0.98);
  // Codes of all and a few vectors, or all vectors and no code.
  const std::vector<float> query = clusters_.Next();
  const int64_t exact =
      index_.SearchRows(query, kLimit, rows, passes, {.target_recall = 1})
          .cost.distances;
  const int64_t by_codes =
      index_.SearchRows(query, kLimit, rows, passes, {}).cost.distances;
  EXPECT_FALSE(rows.HasMoreThan((kRecords + 220) / 2));
  EXPECT_LT(exact, (kRecords + 220) / 2);
  EXPECT_GT(by_codes, exact);
  EXPECT_LT(by_codes, exact + 100);
}

TEST_P(VectorIndexGraphTest, RowsThatPassAreFoundBehindAnyThatHideThem) {
  PutAll();
  const std::vector<float> query = clusters_.Next();
  // By chunks of one record.
  Put(kRecords, std::vector<std::vector<float>>(200, query));
  index_.Optimize(kThreads, Always);
  RowSet rows;
  for (int64_t row = 0; row <= kRecords; ++row) rows.Add(row, 1);
  EXPECT_EQ(
      index_.SearchRows(query, kLimit, rows, AnyRow, {}).candidates.size(),
      kLimit);
  // By others, of which next to all do not pass.
  const auto few = index_.SearchRows(query, kLimit, rows,
                                     [](int64_t row) { return row < 3; }, {});
  EXPECT_EQ(few.candidates.size(), 3);
}

TEST_P(VectorIndexGraphTest, ASearchTellsHowWideItWasAndHowManyItLookedAt) {
  PutAll();
  index_.Optimize(kThreads, Always);
  const std::vector<float> query = clusters_.Next();
  const SearchCost walk = index_.Search(query, kLimit, AnyRow).cost;
  EXPECT_GT(walk.width, 0);
  EXPECT_GT(walk.distances, walk.width);
  EXPECT_LT(walk.distances, kRecords);
  EXPECT_EQ(index_.SearchAll(query, kLimit, AnyRow).cost.distances, kRecords);
  // Nobody passes, so all were compared with after a walk in vain.
  const SearchCost scan =
      index_.Search(query, kLimit, [](int64_t) { return false; }).cost;
  EXPECT_EQ(scan.width, 0);
  EXPECT_GT(scan.distances, kRecords);
}

TEST_P(VectorIndexGraphTest, WhatChangesIsFoundAtOnceAndAsItIs) {
  PutAll();
  index_.Optimize(kThreads, Always);
  for (int step = 0; step < 300; ++step) {
    const int64_t row = clusters_.Number() % (kRecords + 100);
    if (step % 3 == 0) {
      Delete(row);
      continue;
    }
    std::vector<std::vector<float>> chunks(1 + step % 2);
    for (auto& chunk : chunks) chunk = clusters_.Next();
    Put(row, chunks);
    const auto found = index_.Search(chunks[0], 1, AnyRow).candidates;
    ASSERT_EQ(found.size(), 1);
    // All have unit length, so nothing is nearer.
    EXPECT_EQ(found[0].id, IdOf(row));
    if (step % 20 == 0) ExpectExact();
  }
  ExpectExact();
  EXPECT_GT(Recall(), 0.95);
  EXPECT_LT(index_.Stats().graph_vectors, kRecords - 200);
  // So much is not in the graph that another is built.
  index_.Optimize(kThreads, Always);
  EXPECT_EQ(index_.Stats().graph_vectors, index_.Stats().vectors);
  ExpectExact();
  EXPECT_GT(Recall(), 0.95);
}

TEST_P(VectorIndexGraphTest, WhatChangesWhileAGraphIsBuiltIsNotInIt) {
  PutAll();
  std::atomic<bool> done = false;
  std::thread searcher([&] {
    const std::vector<float> query(kDimensions, 0.25f);
    while (!done) {
      EXPECT_EQ(index_.Search(query, kLimit, AnyRow).candidates.size(), kLimit);
    }
  });
  std::thread builder([&] { index_.Optimize(kThreads, Always); });
  for (int step = 0; step < 300; ++step) {
    const int64_t row = clusters_.Number() % (kRecords + 100);
    step % 3 == 0 ? Delete(row) : Put(row, {clusters_.Next()});
  }
  builder.join();
  done = true;
  searcher.join();
  EXPECT_GT(index_.Stats().graph_vectors, 0);
  ExpectExact();
  EXPECT_GT(Recall(), 0.95);
}

TEST_P(VectorIndexGraphTest, WhatCameSinceIsInASmallGraph) {
  PutAll();
  index_.Optimize(Always);
  // Not a tenth, so the large graph stays.
  PutAll(100, kRecords);
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords);
  index_.Optimize(Always);
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords + 100);
  ExpectExact();
  EXPECT_GT(Recall(), 0.95);
  const std::vector<float> near = clusters_.Next();
  Put(kRecords + 50, {near});
  const auto found = index_.Search(near, 1, AnyRow).candidates;
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].id, IdOf(kRecords + 50));
  // Slots leave both graphs, and what is left of them stays right.
  for (int step = 0; step < 10; ++step) {
    ChangeSome(6, kRecords + 100);
    if (step % 3 == 0) index_.Optimize(Always);
    ExpectExact();
  }
  EXPECT_GT(Recall(), 0.95);
  // Now another large one has them all.
  PutAll(200, kRecords + 100);
  index_.Optimize(Always);
  EXPECT_EQ(index_.Stats().graph_vectors, index_.Stats().vectors);
  ExpectExact();
  ChangeSome(60, kRecords + 300);
  ExpectExact();
  EXPECT_GT(Recall(), 0.95);
}

TEST_P(VectorIndexGraphTest, ASmallGraphIsBuiltWhileALargeOneIs) {
  PutAll();
  index_.Optimize(Always);
  // So many that a large one is wanted.
  PutAll(200, kRecords);
  int asked = 0;
  int64_t most = 0;
  index_.Optimize([&] {
    most = std::max(most, index_.Stats().graph_vectors);
    // Once the large one's vectors have been encoded, as the small one's were
    // before.
    if (++asked == 8) ChangeSome(90, kRecords + 200);
    return true;
  });
  EXPECT_GT(asked, 8);
  EXPECT_GT(most, kRecords);
  EXPECT_EQ(index_.Stats().graph_vectors, index_.Stats().vectors);
  ExpectExact();
  EXPECT_GT(Recall(), 0.95);
}

// Its codes are of the vectors as they were.
TEST_P(VectorIndexLargeGraphTest, AGraphDoesNotKnowWhatChangedSinceItBegan) {
  PutAll();
  std::map<int64_t, std::vector<float>> changed;
  int asked = 0;
  index_.Optimize(kThreads, [&] {
    // At the second time the vectors have been encoded.
    if (++asked != 2) return true;
    for (int64_t row = 0; row < 100; ++row) {
      changed[row] = clusters_.Next();
      Put(row, {changed[row]});
    }
    return true;
  });
  ASSERT_EQ(changed.size(), 100);
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords - 100);
  for (const auto& [row, vector] : changed) {
    const auto found = index_.Search(vector, 1, AnyRow).candidates;
    ASSERT_EQ(found.size(), 1);
    EXPECT_EQ(found[0].id, IdOf(row));
  }
  ExpectExact();
}

TEST_P(VectorIndexGraphTest, AVectorThatComesTwiceStaysInTheGraph) {
  PutAll();
  const std::vector<float> vector = clusters_.Next();
  Put(3, {vector});
  index_.Optimize(kThreads, Always);
  Put(3, {vector});
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords);
  index_.Optimize(kThreads, Always);  // Nothing to do.
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords);
}

TEST_P(VectorIndexGraphTest, ABuildThatIsToEndLeavesTheIndexAsItWas) {
  PutAll();
  index_.Optimize(kThreads, [] { return false; });
  EXPECT_EQ(index_.Stats().graph_vectors, 0);
  int asked = 0;
  index_.Optimize(kThreads, [&] { return ++asked < 2; });
  EXPECT_EQ(index_.Stats().graph_vectors, 0);
  ExpectExact();
}

TEST_P(VectorIndexGraphTest, AFewVectorsAreScanned) {
  VectorIndex index(
      {.generation = 1, .dimensions = kDimensions, .metric = GetParam()});
  const std::vector<float> vector = clusters_.Next();
  index.Apply({{.kind = IndexChange::Kind::kPutVectors,
                .row = 1,
                .sequence = 1,
                .id = "a",
                .chunks = {vector::Pack(vector)}}},
              1);
  index.Optimize(Always);
  EXPECT_EQ(index.Stats().graph_vectors, 0);
}

// Storage keeps zeros, under cosine too: they are equally far from everything.
// And it takes numbers whose sums are beyond float32.
TEST_P(VectorIndexGraphTest, ZerosAndGreatNumbersDoNoHarm) {
  const std::vector<float> zeros(kDimensions);
  const std::vector<float> great(kDimensions, 1e30f);
  PutAll(600);
  for (int row = 600; row < 610; ++row) Put(row, {zeros});
  index_.Optimize(Always);
  ASSERT_EQ(index_.Stats().graph_vectors, 610);
  EXPECT_GE(Recall(), 0.9);
  ExpectExact();

  std::vector<float> both_signs = great;
  for (int i = 0; i < kDimensions; i += 2) both_signs[i] = -1e30f;
  for (int row = 610; row < 710; ++row) {
    Put(row, {row % 2 == 0 ? great : both_signs});
  }
  index_.Optimize(Always);
  ASSERT_EQ(index_.Stats().graph_vectors, 710);
  for (const auto& query : {zeros, great, both_signs, clusters_.Next()}) {
    for (const SearchResult& found :
         {index_.Search(query, kLimit, AnyRow),
          index_.SearchAll(query, kLimit, AnyRow)}) {
      EXPECT_EQ(found.candidates.size(), kLimit);
      for (const Candidate& candidate : found.candidates) {
        EXPECT_FALSE(std::isnan(candidate.score)) << candidate.id;
      }
    }
  }
}

// ManyDeletesTest has more of them.
TEST_P(VectorIndexGraphTest, MostRecordsMayGo) {
  PutAll();
  index_.Optimize(Always);
  const IndexMemory before = index_.Stats().memory;
  for (int row = 0; row < kRecords; ++row) {
    if (row % 12 != 0) Delete(row);
    if (row % 300 == 299) {
      EXPECT_GE(Recall(), 0.9) << row;
      ExpectExact();
    }
  }
  index_.Optimize(Always);
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords / 12);
  EXPECT_GE(Recall(), 0.9);
  EXPECT_LE(index_.Stats().memory.codes, before.codes / 11);
  EXPECT_LE(index_.Stats().memory.graph, before.graph / 6);
  ExpectExact();
}

// What few are left are scanned: a graph of many dead nodes would be nothing
// but memory.
TEST_P(VectorIndexGraphTest, OfFewThatAreLeftThereIsNoGraph) {
  VectorIndex index(
      {.generation = 1, .dimensions = kDimensions, .metric = GetParam()},
      {.min_bytes = 100 * kDimensions * sizeof(float)});
  std::vector<std::vector<float>> vectors;
  for (int row = 0; row < 200; ++row) {
    vectors.push_back(clusters_.Next());
    index.Apply({{.kind = IndexChange::Kind::kPutVectors,
                  .row = row,
                  .sequence = row,
                  .id = IdOf(row),
                  .chunks = {vector::Pack(vectors.back())}}},
                row);
  }
  index.Optimize(Always);
  ASSERT_EQ(index.Stats().graph_vectors, 200);
  for (int row = 0; row < 190; ++row) {
    index.Apply({{.kind = IndexChange::Kind::kDeleteRecord, .row = row}}, 200);
  }
  index.Optimize(Always);
  EXPECT_EQ(index.Stats().graph_vectors, 0);
  EXPECT_EQ(index.Stats().memory.graph, 0);
  EXPECT_EQ(index.Stats().memory.codes, 0);
  EXPECT_TRUE(index.Recall().is_exact);
  const auto found = index.Search(vectors[195], 20, AnyRow).candidates;
  ASSERT_EQ(found.size(), 10);
  EXPECT_EQ(found[0].id, "id195");
}

TEST_P(VectorIndexGraphTest, OnceItIsFlatNoGraphIsWalkedOrBuilt) {
  PutAll();
  index_.Optimize(kThreads, Always);
  ASSERT_EQ(index_.Stats().kind, IndexKind::kHnsw);
  index_.SetKind(IndexKind::kFlat);
  EXPECT_EQ(index_.kind(), IndexKind::kFlat);
  const auto expect_scans = [&] {
    const std::vector<float> query = clusters_.Next();
    const SearchCost all = index_.Search(query, kLimit, AnyRow).cost;
    EXPECT_EQ(all.width, 0);
    EXPECT_EQ(all.distances, kRecords);
    std::vector<int64_t> rows(kRecords / 2);
    std::iota(rows.begin(), rows.end(), 0);
    const SearchResult of_rows =
        index_.SearchRows(query, kLimit, RowSet(rows), AnyRow, {});
    EXPECT_EQ(of_rows.cost.distances, rows.size());
    const IndexStats stats = index_.Stats();
    EXPECT_EQ(stats.kind, IndexKind::kFlat);
    EXPECT_EQ(stats.graph_vectors, 0);
    EXPECT_EQ(stats.precision, Precision::kFloat32);
    EXPECT_TRUE(index_.Recall().is_exact);
    EXPECT_EQ(Recall(), 1);
  };
  // At once, and when what it takes has been given back.
  expect_scans();
  index_.Optimize(kThreads, Always);
  EXPECT_EQ(index_.Stats().memory.graph + index_.Stats().memory.codes, 0);
  expect_scans();
  index_.SetKind(IndexKind::kAuto);
  index_.Optimize(kThreads, Always);
  EXPECT_EQ(index_.Stats().graph_vectors, kRecords);
}

TEST_P(VectorIndexGraphTest, AGraphThatIsNotWantedAnyMoreIsNotKept) {
  PutAll();
  index_.Optimize(kThreads, [&] {
    index_.SetKind(IndexKind::kFlat);
    return true;
  });
  EXPECT_EQ(index_.Stats().memory.graph + index_.Stats().memory.codes, 0);
  ExpectExact();
}

TEST_P(VectorIndexGraphTest, AskedForAGraphIsThereOfFewVectorsToo) {
  constexpr int kFewest = 256;
  VectorIndex index(
      {.generation = 1, .dimensions = kDimensions, .metric = GetParam()},
      {.kind = IndexKind::kHnsw});
  const auto put = [&](int row) {
    index.Apply({{.kind = IndexChange::Kind::kPutVectors,
                  .row = row,
                  .sequence = row,
                  .id = IdOf(row),
                  .chunks = {vector::Pack(clusters_.Next())}}},
                row);
  };
  for (int row = 1; row < kFewest; ++row) put(row);
  index.Optimize(Always);
  EXPECT_EQ(index.Stats().kind, IndexKind::kFlat);
  put(kFewest);
  index.Optimize(Always);
  EXPECT_EQ(index.Stats().kind, IndexKind::kHnsw);
  EXPECT_EQ(index.Stats().graph_vectors, kFewest);
  const SearchCost walk = index.Search(clusters_.Next(), kLimit, AnyRow).cost;
  EXPECT_GT(walk.width, 0);
  EXPECT_LT(walk.distances, kFewest);
  // Which goes with what asked for it.
  index.SetKind(IndexKind::kAuto);
  index.Optimize(Always);
  EXPECT_EQ(index.Stats().kind, IndexKind::kFlat);
}

TEST_P(VectorIndexGraphTest, AllRecordsMayGo) {
  PutAll(300);
  index_.Optimize(kThreads, Always);
  for (int row = 0; row < 300; ++row) Delete(row);
  const std::vector<float> query = clusters_.Next();
  EXPECT_TRUE(index_.Search(query, kLimit, AnyRow).candidates.empty());
  index_.Optimize(kThreads, Always);
  Put(5, {query});
  EXPECT_EQ(index_.Search(query, kLimit, AnyRow).candidates.size(), 1);
}

}  // namespace
}  // namespace engram::search
