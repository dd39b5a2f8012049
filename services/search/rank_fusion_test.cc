#include "services/search/rank_fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfloat>
#include <string>
#include <vector>

namespace engram::search {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> IdsOf(const std::vector<ScoredId>& records) {
  std::vector<std::string> ids;
  for (const ScoredId& record : records) ids.push_back(record.id);
  return ids;
}

std::vector<ScoredId> Fuse(FusionMethod method, double semantic_weight,
                           const std::vector<ScoredId>& semantic,
                           const std::vector<ScoredId>& keyword) {
  return FuseLists(
      method, {{semantic, semantic_weight}, {keyword, 1 - semantic_weight}});
}

TEST(RankFusionTest, ByRankItIsTheSumOfTheReciprocalRanks) {
  const std::vector<ScoredId> fused =
      Fuse(FusionMethod::kReciprocalRank, 0.5,
           {{"sea", 0.9F}, {"lake", 0.8F}, {"pond", 0.7F}},
           {{"river", 12.0F}, {"sea", 3.0F}});
  // sea 1st and 2nd, river 1st, lake 2nd, pond 3rd.
  ASSERT_THAT(IdsOf(fused), ElementsAre("sea", "river", "lake", "pond"));
  EXPECT_FLOAT_EQ(fused[0].score, 0.5 / 61 + 0.5 / 62);
  EXPECT_FLOAT_EQ(fused[1].score, 0.5 / 61);
  EXPECT_FLOAT_EQ(fused[2].score, 0.5 / 62);
  EXPECT_FLOAT_EQ(fused[3].score, 0.5 / 63);
}

TEST(RankFusionTest, ByRankTheScoresDoNotMatter) {
  const std::vector<ScoredId> fused =
      Fuse(FusionMethod::kReciprocalRank, 0.5, {{"a", 1000}, {"b", 0.001F}},
           {{"b", -5}, {"a", -6}});
  ASSERT_THAT(IdsOf(fused), ElementsAre("a", "b"));
  EXPECT_EQ(fused[0].score, fused[1].score);
}

TEST(RankFusionTest, WeightedItIsTheSumOfTheScoresFromZeroToOne) {
  const std::vector<ScoredId> fused =
      Fuse(FusionMethod::kWeighted, 0.75,
           {{"sea", 0.9F}, {"lake", 0.8F}, {"pond", 0.4F}},
           {{"river", 12}, {"lake", 6}, {"pond", 4}});
  // Of 0.4 to 0.9 sea is 1, lake 0.8, pond 0; of 4 to 12 river is 1, lake 0.25,
  // pond 0.
  ASSERT_THAT(IdsOf(fused), ElementsAre("sea", "lake", "river", "pond"));
  EXPECT_FLOAT_EQ(fused[0].score, 0.75);
  EXPECT_FLOAT_EQ(fused[1].score, 0.75 * 0.8 + 0.25 * 0.25);
  EXPECT_FLOAT_EQ(fused[2].score, 0.25);
  EXPECT_FLOAT_EQ(fused[3].score, 0);
}

TEST(RankFusionTest, WeightedAListOfEqualScoresIsAllBest) {
  const std::vector<ScoredId> fused =
      Fuse(FusionMethod::kWeighted, 0.5, {{"a", 0.3F}}, {{"b", 2}, {"c", 2}});
  ASSERT_THAT(IdsOf(fused), ElementsAre("a", "b", "c"));
  for (const ScoredId& record : fused) EXPECT_FLOAT_EQ(record.score, 0.5);
}

// As distances are once they are negated, so that larger is better.
TEST(RankFusionTest, WeightedScoresMayBeNegativeAndLarge) {
  const std::vector<ScoredId> fused =
      Fuse(FusionMethod::kWeighted, 1,
           {{"a", FLT_MAX}, {"b", 0}, {"c", -FLT_MAX}}, {});
  ASSERT_THAT(IdsOf(fused), ElementsAre("a", "b", "c"));
  EXPECT_FLOAT_EQ(fused[1].score, 0.5);
  EXPECT_FLOAT_EQ(fused[2].score, 0);
}

TEST(RankFusionTest, EqualScoresAreOrderedById) {
  EXPECT_THAT(IdsOf(Fuse(FusionMethod::kReciprocalRank, 0.5,
                         {{"d", 3}, {"a", 2}}, {{"b", 3}, {"c", 2}})),
              ElementsAre("b", "d", "a", "c"));
}

TEST(RankFusionTest, AListWithoutWeightHasNoSay) {
  for (const auto method :
       {FusionMethod::kReciprocalRank, FusionMethod::kWeighted}) {
    EXPECT_THAT(IdsOf(Fuse(method, 1, {{"b", 2}}, {{"a", 9}})),
                ElementsAre("b"));
    EXPECT_THAT(IdsOf(Fuse(method, 0, {{"b", 2}}, {{"a", 9}})),
                ElementsAre("a"));
  }
}

TEST(RankFusionTest, OneOfTheListsOrBothMayBeEmpty) {
  for (const auto method :
       {FusionMethod::kReciprocalRank, FusionMethod::kWeighted}) {
    EXPECT_THAT(IdsOf(Fuse(method, 0.5, {}, {{"a", 2}, {"b", 1}})),
                ElementsAre("a", "b"));
    EXPECT_THAT(Fuse(method, 0.5, {}, {}), IsEmpty());
  }
}

}  // namespace
}  // namespace engram::search
