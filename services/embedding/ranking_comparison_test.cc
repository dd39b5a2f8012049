#include "services/embedding/ranking_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace engram::embedding {
namespace {

using ::testing::ElementsAre;

constexpr int kNone = -1;

// `count` scores, of which record 0 has the best.
std::vector<float> Falling(int count) {
  std::vector<float> scores(count);
  for (int i = 0; i < count; ++i) scores[i] = static_cast<float>(-i);
  return scores;
}

std::vector<float> Rising(int count) {
  std::vector<float> scores(count);
  for (int i = 0; i < count; ++i) scores[i] = static_cast<float>(i);
  return scores;
}

TEST(CompareRankingsTest, TheSameOrder) {
  const auto compared = CompareRankings(Falling(20), Falling(20), kNone);
  EXPECT_THAT(compared.first, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(compared.first, compared.second);
  EXPECT_EQ(compared.overlap, 1);
  EXPECT_EQ(compared.rank_correlation, 1);
}

TEST(CompareRankingsTest, TheOppositeOrder) {
  auto compared = CompareRankings(Falling(10), Rising(10), kNone);
  EXPECT_EQ(compared.overlap, 1);
  EXPECT_DOUBLE_EQ(compared.rank_correlation, -1);
  // Of twenty, ten other ones are the nearest.
  compared = CompareRankings(Falling(20), Rising(20), kNone);
  EXPECT_EQ(compared.overlap, 0);
  EXPECT_DOUBLE_EQ(compared.rank_correlation, -1);
  // Of fifteen, five are in both.
  compared = CompareRankings(Falling(15), Rising(15), kNone);
  EXPECT_DOUBLE_EQ(compared.overlap, 0.5);
}

// Worked by hand: the ranks 0 1 2 3 against 1 0 3 2 differ by one each, so the
// correlation is 1 - 6 * 4 / (4 * 15).
TEST(CompareRankingsTest, Spearman) {
  const auto compared =
      CompareRankings({9, 8, 7, 6}, {0.3F, 0.4F, 0.1F, 0.2F}, kNone);
  EXPECT_THAT(compared.second, ElementsAre(1, 0, 3, 2));
  EXPECT_DOUBLE_EQ(compared.rank_correlation, 0.6);
}

TEST(CompareRankingsTest, LeavesOneOut) {
  const auto compared = CompareRankings({3, 2, 1}, {1, 2, 3}, 1);
  EXPECT_THAT(compared.first, ElementsAre(0, 2));
  EXPECT_THAT(compared.second, ElementsAre(2, 0));
  EXPECT_EQ(CompareRankings({1}, {2}, kNone).rank_correlation, 1);
}

TEST(SearchedVectorsTest, ARecordCountsByItsNearestChunk) {
  SearchedVectors vectors(2, common::v1::METRIC_COSINE);
  vectors.Add({1, 0});
  vectors.Add({0, 1, 0.5F, 0.5F, -1, 0});
  EXPECT_THAT(vectors.Score({1, 0}), ElementsAre(1, 0.5F));
  EXPECT_THAT(vectors.FirstOf(1), ElementsAre(0, 1));
  EXPECT_EQ(vectors.bytes(), 8 * sizeof(float));
}

TEST(SearchedVectorsTest, ADistanceIsNearerWhenSmaller) {
  SearchedVectors vectors(2, common::v1::METRIC_L2);
  vectors.Add({3, 4});
  vectors.Add({0, 1, 10, 10});
  EXPECT_THAT(vectors.Score({0, 0}), ElementsAre(-25, -1));
}

}  // namespace
}  // namespace engram::embedding
