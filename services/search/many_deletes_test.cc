// A million deletes: records come and go in an index that has a graph. It finds
// as much as before at every moment, and takes the memory of what is left. Too
// many for sanitizers: VectorIndexGraphTest has fewer.

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

constexpr int64_t kRounds = 10;
constexpr int64_t kDeletesInRound = 100'000;
// Of the last round.
constexpr int64_t kLeft = 5'000;
constexpr int64_t kRows = kDeletesInRound + kLeft;
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

  // Those of a round have rows of their own, as in storage.
  void PutRound(int64_t round) {
    std::vector<std::string> ids(kBatch);
    std::vector<IndexChange> changes(kBatch);
    for (int64_t row = round * kRows; row < (round + 1) * kRows;
         row += kBatch) {
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

  // Of a round's records all; at last those that do not stay.
  void DeleteRound(int64_t round) {
    Delete(round * kRows, (round + 1) * kRows);
  }
  void Delete(int64_t first, int64_t end) {
    std::vector<IndexChange> changes;
    for (int64_t row = first; row < end; ++row) {
      if (row < (kRounds - 1) * kRows || !Stays(row)) {
        changes.push_back({.kind = IndexChange::Kind::kDeleteRecord,
                           .row = row,
                           .sequence = ++sequence_});
      }
      if (changes.size() < kBatch && row + 1 < end) continue;
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
        EXPECT_FALSE(index_.VectorOf(candidate.row, candidate.chunk).empty());
        found += nearest.contains(candidate.row) ? 1 : 0;
      }
    }
    return static_cast<double>(found) / (kQueries * kLimit);
  }

  static constexpr int64_t kNumbers = 1 << 22;
  std::vector<float> numbers_ = std::vector<float>(kNumbers);
  VectorIndex index_{
      {.generation = 1, .dimensions = kDimensions, .metric = Metric::kL2},
      {.min_bytes = 1 << 20}};
  int64_t sequence_ = 0;
  int64_t queries_ = 0;
};

TEST_F(ManyDeletesTest, AMillionLeaveAnIndexOfTheRest) {
  const auto always = [] { return true; };
  PutRound(0);
  index_.Optimize(always);
  const IndexStats before = index_.Stats();
  ASSERT_EQ(before.graph_vectors, kRows);
  EXPECT_GE(Recall(), 0.92);
  // While the graph has many dead nodes, of which some stood for slots that
  // others are in now and some for slots that are gone, and when another graph
  // has none of them.
  Delete(0, kRows / 8);
  Delete(kRows * 7 / 8, kRows);
  EXPECT_GE(Recall(), 0.92);
  index_.Optimize(always);
  EXPECT_LT(index_.Stats().memory.codes, before.memory.codes * 4 / 5);
  EXPECT_GE(Recall(), 0.92);
  for (int64_t round = 0; round < kRounds; ++round) {
    if (round > 0) PutRound(round);
    DeleteRound(round);
    if (round + 1 == kRounds) break;
    // Nothing is left but the graph's dead nodes.
    EXPECT_EQ(index_.Stats().vectors, 0);
    EXPECT_TRUE(index_.Search(VectorOf(1), kLimit, AnyRow).candidates.empty());
  }
  EXPECT_EQ(index_.Stats().vectors, kLeft);
  EXPECT_EQ(Recall(), 1);
  // No more than the greatest number at a time took.
  EXPECT_LE(index_.Stats().memory.total(), before.memory.total() * 5 / 4);

  // What is left is less than gets a graph.
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
