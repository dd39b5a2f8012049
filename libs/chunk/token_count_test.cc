#include "libs/chunk/token_count.h"

#include <gtest/gtest.h>

namespace engram::chunk {
namespace {

TEST(TokenCountTest, TheEstimateCountsWordsByLengthAndMarksOneByOne) {
  EXPECT_EQ(EstimateTokens(""), 0);
  EXPECT_EQ(EstimateTokens(" \t\n"), 0);
  EXPECT_EQ(EstimateTokens("the fox"), 2);
  EXPECT_EQ(EstimateTokens("foxes."), 2);
  EXPECT_EQ(EstimateTokens("considerable"), 3);
  EXPECT_EQ(EstimateTokens("f(x, y)"), 6);
  EXPECT_EQ(EstimateTokens("ёлка"), 2);
  EXPECT_EQ(EstimateTokens("東京都"), 3);
}

}  // namespace
}  // namespace engram::chunk
