#include "libs/vector/kernels.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "libs/vector/vector.h"

namespace engram::vector {
namespace {

struct Reference {
  double value = 0;
  // Sum of the magnitudes of the terms: what the error is measured against.
  double magnitude = 0;
};

Reference Dot(const float* a, const float* b, int dimensions) {
  Reference result;
  for (int i = 0; i < dimensions; ++i) {
    const double term = static_cast<double>(a[i]) * b[i];
    result.value += term;
    result.magnitude += std::abs(term);
  }
  return result;
}

Reference L2Squared(const float* a, const float* b, int dimensions) {
  Reference result;
  for (int i = 0; i < dimensions; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    result.value += difference * difference;
    result.magnitude += difference * difference;
  }
  return result;
}

// Every kernel set of this machine against double precision.
class KernelsTest : public ::testing::TestWithParam<Kernels> {
 protected:
  // Compares on three rows of `dimensions`, placed so that nothing is aligned.
  void ExpectMatchesReference(const std::vector<float>& data, int dimensions) {
    const float* query = data.data() + 1;
    const float* rows = query + dimensions;
    constexpr int kRows = 3;
    ASSERT_GE(data.size(), 1 + (kRows + 1) * dimensions);
    std::vector<float> dots(kRows + 1, -77), distances(kRows + 1, -77);
    GetParam().dot(query, rows, kRows, dimensions, dots.data());
    GetParam().l2_squared(query, rows, kRows, dimensions, distances.data());
    for (int row = 0; row < kRows; ++row) {
      ExpectNear(dots[row], Dot(query, rows + row * dimensions, dimensions),
                 dimensions);
      ExpectNear(distances[row],
                 L2Squared(query, rows + row * dimensions, dimensions),
                 dimensions);
    }
    EXPECT_EQ(dots[kRows], -77) << "wrote beyond the last score";
    EXPECT_EQ(distances[kRows], -77) << "wrote beyond the last score";
  }

 private:
  static void ExpectNear(float got, const Reference& want, int dimensions) {
    // FLT_MIN: terms that are denormal lose precision that no bound relative to
    // them can express.
    const double bound =
        want.magnitude * (dimensions + 2) * FLT_EPSILON + FLT_MIN;
    EXPECT_NEAR(got, want.value, bound) << "dimensions " << dimensions;
  }
};

TEST_P(KernelsTest, AgreesWithDoublePrecisionForEveryDimension) {
  std::mt19937 random(17);
  std::normal_distribution<float> normal;
  std::vector<float> data(1 + 4 * kMaxDimensions);
  for (float& value : data) value = normal(random);
  for (int dimensions = 1; dimensions <= 300; ++dimensions) {
    ExpectMatchesReference(data, dimensions);
  }
  for (int dimensions : {383, 384, 511, 512, 513, 768, 1023, 1024, 1536, 2047,
                         3072, 4095, 4096}) {
    ExpectMatchesReference(data, dimensions);
  }
}

TEST_P(KernelsTest, AgreesWithDoublePrecisionOnExtremeValues) {
  const float extremes[] = {0.0f,  -0.0f,  1e-38f, -1e-38f, FLT_MIN, 1e-45f,
                            1e15f, -1e15f, 1.0f,   -1.0f,   3e17f,   1e-20f};
  std::mt19937 random(18);
  std::vector<float> data(1 + 4 * 300);
  for (int dimensions : {1, 3, 8, 15, 16, 17, 31, 64, 100, 256, 300}) {
    for (float& value : data) value = extremes[random() % std::size(extremes)];
    ExpectMatchesReference(data, dimensions);
  }
}

TEST_P(KernelsTest, OverflowIsInfiniteAndNeverAFiniteLie) {
  const std::vector<float> huge(40, 3e38f);
  float score = 0;
  GetParam().dot(huge.data(), huge.data(), 1, 40, &score);
  EXPECT_EQ(score, std::numeric_limits<float>::infinity());
  const std::vector<float> opposite(40, -3e38f);
  GetParam().l2_squared(huge.data(), opposite.data(), 1, 40, &score);
  EXPECT_EQ(score, std::numeric_limits<float>::infinity());
}

TEST_P(KernelsTest, TheDistanceOfAVectorToItselfIsExactlyZero) {
  std::mt19937 random(19);
  std::normal_distribution<float> normal;
  std::vector<float> data(257);
  for (float& value : data) value = normal(random);
  float score = -1;
  GetParam().l2_squared(data.data(), data.data(), 1, 257, &score);
  EXPECT_EQ(score, 0);
}

INSTANTIATE_TEST_SUITE_P(AllSets, KernelsTest,
                         ::testing::ValuesIn(SupportedKernels()),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

TEST(SupportedKernelsTest, TheBestComeFirstAndThePortableOnesAreAlwaysThere) {
  EXPECT_EQ(BestKernels().name, SupportedKernels().front().name);
  EXPECT_EQ(std::string(SupportedKernels().back().name), "portable");
}

}  // namespace
}  // namespace engram::vector
