#include "services/search/diversity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace engram::search {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two nearly the same, and two of other kinds.
constexpr float kScores[] = {0.9f, 0.89f, 0.5f, 0.4f};
constexpr float kVectors[] = {1, 0, 0, 0.99f, 0.14f, 0, 0, 1, 0, 0, 0, 1};

TEST(DiversityTest, WithNoneItGoesByScore) {
  EXPECT_THAT(OrderDiversely(kScores, kVectors, 3, 0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(OrderDiversely({}, {}, 3, 0.5f), IsEmpty());
}

TEST(DiversityTest, WhatIsLikeAnEarlierOneComesLater) {
  // Worth of 1 after 0: 0.5 x 0.89 - 0.5 x 0.99; of 3: 0.5 x 0.4 - 0.
  EXPECT_THAT(OrderDiversely(kScores, kVectors, 3, 0.5f),
              ElementsAre(0, 2, 3, 1));
}

TEST(DiversityTest, TheBestIsFirstUnlessScoresCountForNothing) {
  EXPECT_EQ(OrderDiversely({0.1f, 0.9f}, {1, 0, 0, 1}, 2, 0.99f)[0], 1);
  // Equally worthy: by place.
  EXPECT_THAT(OrderDiversely({0.1f, 0.9f}, {1, 0, 0, 1}, 2, 1),
              ElementsAre(0, 1));
}

// An opposite is worth more than what is merely unlike.
TEST(DiversityTest, SimilaritiesBelowZeroCount) {
  EXPECT_THAT(OrderDiversely({0.9f, 0.5f, 0.5f}, {1, 0, 0, 1, -1, 0}, 2, 0.5f),
              ElementsAre(0, 2, 1));
}

// As the definition has it, step by step and without what is kept between them.
TEST(DiversityTest, AgreesWithTheDefinition) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  constexpr int kCount = 40;
  constexpr int kDimensions = 8;
  std::vector<float> scores(kCount);
  std::vector<float> vectors(kCount * kDimensions);
  for (float& score : scores) score = uniform(random);
  for (float& value : vectors) value = uniform(random);
  for (const float diversity : {0.1f, 0.3f, 0.7f, 1.0f}) {
    const std::vector<int> order =
        OrderDiversely(scores, vectors, kDimensions, diversity);
    ASSERT_EQ(order.size(), kCount);
    const auto worth = [&](int candidate, int taken) {
      double largest = taken == 0 ? 0 : -1e9;
      for (int i = 0; i < taken; ++i) {
        double product = 0;
        for (int d = 0; d < kDimensions; ++d) {
          product += static_cast<double>(vectors[candidate * kDimensions + d]) *
                     vectors[order[i] * kDimensions + d];
        }
        largest = std::max(largest, product);
      }
      return (1 - diversity) * scores[candidate] - diversity * largest;
    };
    for (int taken = 0; taken < kCount; ++taken) {
      for (int later = taken + 1; later < kCount; ++later) {
        EXPECT_GE(worth(order[taken], taken) + 1e-5,
                  worth(order[later], taken));
      }
    }
  }
}

}  // namespace
}  // namespace engram::search
