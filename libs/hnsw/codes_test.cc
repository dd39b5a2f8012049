// Vectors as codes: ranges, rounding, and scores made of integers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "libs/hnsw/code_range.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/float_distance.h"

namespace engram::hnsw {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// As FAISS decodes QT_8bit_uniform and QT_4bit_uniform.
float Decode(const CodeRange& range, uint8_t code) {
  return range.vmin + (static_cast<float>(code) + 0.5f) /
                          (range.bits == 8 ? 255 : 15) * range.vdiff;
}

std::vector<uint8_t> Encode(const CodeRange& range,
                            const std::vector<float>& values) {
  std::vector<uint8_t> codes(values.size());
  EncodeRow(range, values, codes.data());
  return codes;
}

TEST(CodeRangeTest, ACodeDecodesToWithinHalfAStep) {
  const CodeRange range = {.vmin = -3, .vdiff = 10};
  for (float value = -2.9f; value < 6.9f; value += 0.013f) {
    const uint8_t code = Encode(range, {value})[0];
    EXPECT_NEAR(Decode(range, code), value, range.step() * 0.501f) << value;
  }
}

TEST(CodeRangeTest, ValuesOutsideOfTheRangeBecomeItsEnds) {
  const CodeRange range = {.vmin = -1, .vdiff = 2};
  EXPECT_THAT(Encode(range, {-FLT_MAX, -5, 5, FLT_MAX}),
              ElementsAre(1, 1, 255, 255));
}

TEST(CodeRangeTest, TheRangeLeavesOutTheFewThatAreFarthestOut) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> rows(100'000);
  for (float& value : rows) value = uniform(random);
  for (int i = 0; i < 40; ++i) rows[i * 2003] = 1000;  // 0.04 %.
  const CodeRange range =
      ChooseCodeRange(rows.data(), 10'000, 10, Metric::kDot);
  EXPECT_NEAR(range.step() * 127, 1, 0.01);
  EXPECT_NEAR(range.middle(), 0, 1e-6);
}

TEST(CodeRangeTest, ForL2TheRangeLiesWhereTheValuesAre) {
  std::vector<float> rows;
  for (int i = 0; i <= 1000; ++i)
    rows.push_back(100 + static_cast<float>(i) / 100);
  const CodeRange l2 = ChooseCodeRange(rows.data(), 1001, 1, Metric::kL2);
  EXPECT_NEAR(Decode(l2, 1), 100, 0.1);
  EXPECT_NEAR(Decode(l2, 255), 110, 0.1);
  const CodeRange dot = ChooseCodeRange(rows.data(), 1001, 1, Metric::kDot);
  EXPECT_NEAR(Decode(dot, 1), -110, 1);
  EXPECT_NEAR(Decode(dot, 255), 110, 1);
}

TEST(CodeRangeTest, ARangeCanBeChosenForAnything) {
  for (Metric metric : {Metric::kDot, Metric::kL2}) {
    for (float value : {0.0f, 1e-45f, 7.0f, -1e30f, FLT_MAX, -FLT_MAX}) {
      const std::vector<float> rows(6, value);
      const CodeRange range = ChooseCodeRange(rows.data(), 2, 3, metric);
      EXPECT_TRUE(std::isfinite(range.vmin) && std::isfinite(range.vdiff));
      EXPECT_GT(range.step(), 0);
      const std::vector<uint8_t> codes = Encode(range, rows);
      EXPECT_THAT(codes, Each(codes[0]));
    }
    const CodeRange none = ChooseCodeRange(nullptr, 0, 3, metric);
    EXPECT_GT(none.step(), 0);
  }
}

TEST(FloatDistanceTest, IsOrderedAsFloatsAreAndComesBackAsItWas) {
  const float kAscending[] = {-INFINITY, -FLT_MAX, -1, -FLT_MIN, -1e-45f, 0,
                              1e-45f,    FLT_MIN,  1,  FLT_MAX,  INFINITY};
  for (size_t i = 0; i < std::size(kAscending); ++i) {
    const int32_t distance = DistanceOfFloat(kAscending[i]);
    EXPECT_EQ(FloatOfDistance(distance), kAscending[i]);
    EXPECT_LT(distance, DistanceOfFloat(NAN));
    EXPECT_LT(distance, DistanceOfFloat(-NAN));
    if (i == 0) continue;
    EXPECT_GT(distance, DistanceOfFloat(kAscending[i - 1]));
  }
  EXPECT_TRUE(std::isnan(FloatOfDistance(DistanceOfFloat(NAN))));
}

// The 4-bit range for values of one dimension.
CodeRange NibbleRangeFor(const std::vector<float>& values, Metric metric) {
  const auto count = static_cast<int64_t>(values.size());
  const CodeRange wide = ChooseCodeRange(values.data(), count, 1, metric);
  return ChooseNibbleRange(wide, Encode(wide, values).data(), count, 1);
}

TEST(NibbleTest, ACodeDecodesToWithinHalfAStep) {
  const CodeRange wide = {.vmin = -3, .vdiff = 10};
  const CodeRange narrow = {
      .vmin = wide.middle() - 5, .vdiff = 10 * 15 / 16.0f, .bits = 4};
  EXPECT_NEAR(narrow.middle(), wide.middle(), 1e-6);
  const NibbleEncoder encoder(wide, narrow);
  for (int code = 1; code < 256; ++code) {
    const std::vector<uint8_t> codes = {static_cast<uint8_t>(code), 1,
                                        static_cast<uint8_t>(256 - code)};
    std::vector<uint8_t> nibbles(3, 0xaa);
    encoder.EncodeRow(codes.data(), 3, nibbles.data());
    const float half = narrow.step() * 0.501f;
    EXPECT_NEAR(Decode(narrow, nibbles[0] & 15), Decode(wide, code), half);
    EXPECT_EQ(nibbles[0] >> 4, 0);
    EXPECT_NEAR(Decode(narrow, nibbles[1]), Decode(wide, 256 - code), half);
    EXPECT_EQ(nibbles[2], 0xaa) << "wrote beyond the last";
  }
}

// The steps at which 16 levels lose least of a normal and of a uniform
// distribution are known: Max 1960, "Quantizing for minimum distortion".
TEST(NibbleTest, TheRangeLosesLeast) {
  std::mt19937 random(4);
  std::vector<float> values(100'000);
  std::normal_distribution<float> normal(7, 2);
  for (float& value : values) value = normal(random);
  const CodeRange of_normal = NibbleRangeFor(values, Metric::kL2);
  EXPECT_NEAR(of_normal.step(), 2 * 0.335, 0.02);
  EXPECT_NEAR(of_normal.middle(), 7, 0.3);
  std::uniform_real_distribution<float> uniform(-3, 3);
  for (float& value : values) value = uniform(random);
  const CodeRange of_uniform = NibbleRangeFor(values, Metric::kDot);
  EXPECT_NEAR(of_uniform.step(), 6.0 / 16, 0.01);
  EXPECT_NEAR(of_uniform.middle(), 0, 1e-6);
}

TEST(NibbleTest, ARangeCanBeChosenForAnything) {
  for (Metric metric : {Metric::kDot, Metric::kL2}) {
    for (float value : {0.0f, 1e-45f, 7.0f, -1e30f, FLT_MAX, -FLT_MAX}) {
      const CodeRange range = NibbleRangeFor({value, value}, metric);
      EXPECT_TRUE(std::isfinite(range.vmin) && std::isfinite(range.vdiff));
      EXPECT_TRUE(std::isnormal(range.step()) && range.step() > 0);
    }
    EXPECT_GT(NibbleRangeFor({}, metric).step(), 0);
  }
}

TEST(NibbleTest, TheNormCountsEachDimensionOnce) {
  const std::vector<uint8_t> nibbles = {0x0f, 0x87, 0xf1};
  EXPECT_EQ(NibbleNorm(nibbles.data(), 5), 225 + 225 + 1 + 1 + 169);
  EXPECT_EQ(NibbleNorm(nibbles.data(), 6), 225 + 225 + 1 + 1 + 169 + 225);
}

struct Case {
  Metric metric;
  int bits;
};

// Scores made of codes, by every metric.
class EncodedQueryTest : public ::testing::TestWithParam<Case> {
 protected:
  static CodeTable MakeTable(const std::vector<float>& rows, int dimensions) {
    CodeTable table(rows.data(), static_cast<int64_t>(rows.size()) / dimensions,
                    dimensions, GetParam().metric);
    if (GetParam().bits == 8) return table;
    return CodeTable::Narrow(table.view());
  }

  // The score of each row against `query`, by way of integers.
  static std::vector<float> Scores(const CodeView& codes,
                                   absl::Span<const float> query) {
    const EncodedQuery encoded(query, codes.range, codes.metric);
    std::vector<int32_t> sums(codes.size);
    std::vector<uint32_t> nodes(codes.size);
    std::iota(nodes.begin(), nodes.end(), 0);
    const CodeKernels& kernels = BestCodeKernels();
    (codes.range.bits == 8 ? kernels.gather : kernels.gather_nibbles)(
        encoded.codes(), codes.codes, codes.dimensions, nodes.data(),
        static_cast<int>(codes.size), sums.data());
    std::vector<float> scores;
    for (int64_t row = 0; row < codes.size; ++row) {
      int32_t distance = -sums[row];
      if (codes.metric == Metric::kL2) {
        distance += static_cast<int32_t>(encoded.norm_weight() *
                                         static_cast<float>(codes.norms[row]));
      }
      scores.push_back(encoded.ScoreOf(distance));
    }
    return scores;
  }

  static double Exact(const float* a, const float* b, int dimensions) {
    double sum = 0;
    for (int i = 0; i < dimensions; ++i) {
      sum += GetParam().metric == Metric::kDot
                 ? static_cast<double>(a[i]) * b[i]
                 : (static_cast<double>(a[i]) - b[i]) * (a[i] - b[i]);
    }
    return sum;
  }
};

TEST_P(EncodedQueryTest, ScoresAreWithinTheRoundingOfExactOnes) {
  std::mt19937 random(5);
  for (int dimensions : {1, 2, 16, 100, 1000}) {
    // Off centre, where kL2's range moves along and kDot's does not.
    std::uniform_real_distribution<float> uniform(-1, 3);
    constexpr int kRows = 50;
    std::vector<float> rows(kRows * dimensions), query(dimensions);
    for (float& value : rows) value = uniform(random);
    for (float& value : query) value = uniform(random);
    const CodeTable table = MakeTable(rows, dimensions);
    const float step = table.view().range.step();
    const std::vector<float> scores = Scores(table.view(), query);
    for (uint32_t node = 0; node < kRows; ++node) {
      // Each term is off by half a step times the other side, both ways, at
      // the worst; sums of many by far less.
      const double bound = 2 * 3 * step * dimensions;
      EXPECT_NEAR(scores[node],
                  Exact(&rows[node * dimensions], query.data(), dimensions),
                  bound / std::sqrt(dimensions))
          << dimensions;
    }
  }
}

TEST_P(EncodedQueryTest, QueriesOfNoLengthAndOfGreatLengthHaveScores) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  constexpr int kDimensions = 4096;
  std::vector<float> rows(2 * kDimensions);
  for (float& value : rows) value = normal(random);
  const CodeTable table = MakeTable(rows, kDimensions);
  // With 4 bits a component is off by a ninth of what it is, on average.
  const double off = GetParam().bits == 8 ? 0.02 : 0.5;
  for (float length : {0.0f, 1e-20f, 1.0f, 1e6f, 1e15f}) {
    std::vector<float> query(kDimensions);
    for (float& value : query) value = normal(random) * length;
    const double exact = Exact(rows.data(), query.data(), kDimensions);
    EXPECT_NEAR(Scores(table.view(), query)[0], exact,
                off * std::max<double>(1, length) *
                    (std::abs(exact) / std::max<double>(1, length) + 64))
        << length;
  }
}

TEST_P(EncodedQueryTest, TheNearestByCodesIsTheVectorItself) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  constexpr int kRows = 100, kDimensions = 24;
  std::vector<float> rows(kRows * kDimensions);
  for (float& value : rows) value = normal(random);
  for (int row = 0; row < kRows; ++row) {
    float* values = &rows[row * kDimensions];
    const auto length = static_cast<float>(std::sqrt(
        std::inner_product(values, values + kDimensions, values, 0.0)));
    for (int i = 0; i < kDimensions; ++i) values[i] /= length;
  }
  const CodeTable table = MakeTable(rows, kDimensions);
  for (uint32_t row = 0; row < kRows; ++row) {
    const std::vector<float> scores =
        Scores(table.view(),
               absl::MakeSpan(rows).subspan(row * kDimensions, kDimensions));
    const auto best = GetParam().metric == Metric::kDot
                          ? std::max_element(scores.begin(), scores.end())
                          : std::min_element(scores.begin(), scores.end());
    EXPECT_EQ(best - scores.begin(), row);
  }
}

TEST(CodeTableTest, CodesThatWereMadeBeforeGiveTheSameTable) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  std::vector<float> rows(20 * 5);
  for (float& value : rows) value = normal(random);
  const CodeTable made(rows.data(), 20, 5, Metric::kL2);
  HugeArray<uint8_t> copy(20 * 5);
  std::copy_n(made.view().codes, copy.size(), copy.data());
  const CodeTable taken(std::move(copy), 5, Metric::kL2, made.view().range);
  EXPECT_EQ(taken.view().size, 20);
  EXPECT_TRUE(std::equal(made.view().norms, made.view().norms + 20,
                         taken.view().norms));
  EXPECT_EQ(taken.memory_bytes(), 20 * (5 + 4));
}

TEST(CodeTableTest, NarrowCodesThatWereMadeBeforeGiveTheSameTable) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> rows(20 * 5);
  for (float& value : rows) value = normal(random);
  const CodeTable wide(rows.data(), 20, 5, Metric::kL2);
  const CodeTable made = CodeTable::Narrow(wide.view());
  EXPECT_EQ(made.memory_bytes(), 20 * (3 + 4));
  HugeArray<uint8_t> copy(20 * 3);
  std::copy_n(made.view().codes, copy.size(), copy.data());
  const CodeTable taken(std::move(copy), 5, Metric::kL2, made.view().range);
  EXPECT_EQ(taken.view().size, 20);
  EXPECT_TRUE(std::equal(made.view().norms, made.view().norms + 20,
                         taken.view().norms));
}

INSTANTIATE_TEST_SUITE_P(
    All, EncodedQueryTest,
    ::testing::Values(Case{Metric::kDot, 8}, Case{Metric::kL2, 8},
                      Case{Metric::kDot, 4}, Case{Metric::kL2, 4}),
    [](const auto& info) {
      return absl::StrCat(info.param.metric == Metric::kDot ? "Dot" : "L2", "_",
                          info.param.bits, "bits");
    });

}  // namespace
}  // namespace engram::hnsw
