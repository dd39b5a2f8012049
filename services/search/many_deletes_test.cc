// A million deletes leave an index that finds as much as before of what is
// left, at every moment, and takes the memory of that. Too many for sanitizers:
// VectorIndexGraphTest has fewer.

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

constexpr int64_t kDeletes = 1'000'000;
constexpr int64_t kLeft = 50'000;
constexpr int64_t kRows = kDeletes + kLeft;
// As many as the feed tells at once, about.
constexpr int64_t kBatch = 1000;
constexpr int kDimensions = 8;
constexpr int kLimit = 10;

class ManyDeletesTest : public ::testing::Test {
 protected:
  // Vectors that differ from each other by what a long list of numbers has from
  // some place on: to draw so many anew would take longer than all else.
  ManyDeletesTest() {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (float& value : numbers_) value = normal(random);
  }
  absl::Span<const float> VectorOf(int64_t number) const {
    constexpr int64_t kPlaces = kNumbers - kDimensions;
    return absl::MakeConstSpan(&numbers_[number * 7919 % kPlaces], kDimensions);
  }

  void PutAll() {
    std::vector<std::string> ids(kBatch);
    std::vector<IndexChange> changes(kBatch);
    for (int64_t row = 0; row < kRows; row += kBatch) {
      for (int64_t i = 0; i < kBatch; ++i) {
        ids[i] = absl::StrCat(row + i);
        changes[i] = {.kind = IndexChange::Kind::kPutVectors,
                      .row = row + i,
                      .sequence = ++sequence_,
                      .id = ids[i],
                      .chunks = {vector::Pack(VectorOf(row + i))}};
      }
      index_.Apply(changes, sequence_);
    }
  }

  static bool Stays(int64_t row) { return row % (kRows / kLeft) == 0; }

  // Those of the rows from `first` to `last` that do not stay.
  void DeleteMany(int64_t first, int64_t last) {
    std::vector<IndexChange> changes;
    for (int64_t row = first; row < last; ++row) {
      if (!Stays(row)) {
        changes.push_back({.kind = IndexChange::Kind::kDeleteRecord,
                           .row = row,
                           .sequence = ++sequence_});
      }
      if (changes.size() < kBatch && row + 1 < last) continue;
      index_.Apply(changes, sequence_);
      changes.clear();
    }
  }

  // The share found of what is nearest.
  double Recall() {
    constexpr int kQueries = 40;
    int found = 0;
    for (int i = 0; i < kQueries; ++i) {
      const absl::Span<const float> query = VectorOf(++queries_ * 31);
      std::set<int64_t> nearest;
      for (const Candidate& candidate :
           index_.SearchAll(query, kLimit, AnyRow).candidates) {
        nearest.insert(candidate.row);
      }
      EXPECT_EQ(nearest.size(), kLimit);
      for (const Candidate& candidate :
           index_.Search(query, kLimit, AnyRow).candidates) {
        found += nearest.contains(candidate.row) ? 1 : 0;
      }
    }
    return static_cast<double>(found) / (kQueries * kLimit);
  }

  static constexpr int64_t kNumbers = 1 << 22;
  std::vector<float> numbers_ = std::vector<float>(kNumbers);
  VectorIndex index_{
      {.generation = 1, .dimensions = kDimensions, .metric = Metric::kL2}, {}};
  int64_t sequence_ = 0;
  int64_t queries_ = 0;
};

TEST_F(ManyDeletesTest, AMillionLeaveAnIndexOfTheRest) {
  const auto always = [] { return true; };
  PutAll();
  index_.Optimize(always);
  const IndexStats before = index_.Stats();
  ASSERT_EQ(before.graph_vectors, kRows);
  EXPECT_GE(Recall(), 0.92);

  // Searches come while it is at it, as the graph dies away.
  for (int part = 0; part < 5; ++part) {
    DeleteMany(kRows * part / 5, kRows * (part + 1) / 5);
    EXPECT_GE(Recall(), 0.9) << part;
  }
  EXPECT_EQ(index_.Stats().vectors, kLeft);
  EXPECT_LE(index_.Stats().memory.total(), before.memory.total());

  // What is left, 1.6 MB, is less than gets a graph.
  index_.Optimize(always);
  EXPECT_EQ(Recall(), 1);
  EXPECT_EQ(index_.Stats().memory.codes + index_.Stats().memory.graph, 0);
  for (const Candidate& candidate :
       index_.Search(VectorOf(1), 1000, AnyRow).candidates) {
    ASSERT_TRUE(Stays(candidate.row)) << candidate.id;
  }
}

}  // namespace
}  // namespace engram::search
