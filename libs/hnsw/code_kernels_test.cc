#include "libs/hnsw/code_kernels.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "libs/vector/vector.h"

namespace engram::hnsw {
namespace {

using vector::kMaxDimensions;

// Every kernel set of this machine against plain integers.
class CodeKernelsTest : public ::testing::TestWithParam<CodeKernels> {
 protected:
  // Scores 1 to `rows` rows of `dimensions`, placed so that nothing is aligned
  // and that an address sanitizer sees a read beyond the last.
  void ExpectMatchesReference(const std::vector<int8_t>& values,
                              const std::vector<uint8_t>& codes, int rows) {
    const int dimensions = static_cast<int>(values.size());
    CodeQuery query = {.values = values.data()};
    for (int8_t value : values) query.sum += value;
    std::vector<int32_t> want(rows);
    std::vector<uint32_t> nodes(rows);
    for (int row = 0; row < rows; ++row) {
      // From the last to the first: a gather is not a scan.
      nodes[row] = rows - 1 - row;
      for (int i = 0; i < dimensions; ++i) {
        want[row] += (codes[row * dimensions + i] - 128) * values[i];
      }
    }
    for (int count = 1; count <= rows; ++count) {
      std::vector<int32_t> scanned(count + 1, -77), gathered(count + 1, -77);
      GetParam().scan(query, codes.data(), dimensions, count, scanned.data());
      GetParam().gather(query, codes.data(), dimensions, nodes.data(), count,
                        gathered.data());
      for (int row = 0; row < count; ++row) {
        ASSERT_EQ(scanned[row], want[row])
            << "row " << row << " of " << count << ", " << dimensions;
        ASSERT_EQ(gathered[row], want[nodes[row]])
            << "row " << row << " of " << count << ", " << dimensions;
      }
      EXPECT_EQ(scanned[count], -77) << "wrote beyond the last score";
      EXPECT_EQ(gathered[count], -77) << "wrote beyond the last score";
    }
  }

  // The same for rows of 4-bit codes, given one a byte.
  void ExpectNibblesMatchReference(const std::vector<int8_t>& values,
                                   const std::vector<uint8_t>& codes,
                                   int rows) {
    const int dimensions = static_cast<int>(values.size());
    const int row_bytes = (dimensions + 1) / 2;
    std::vector<int8_t> placed(2 * row_bytes);
    CodeQuery query = {.values = placed.data()};
    for (int i = 0; i < dimensions; ++i) {
      placed[i / 2 + i % 2 * row_bytes] = values[i];
      query.sum += values[i];
    }
    // What is behind the last of an odd number of dimensions is nothing.
    std::vector<uint8_t> packed(rows * row_bytes, 0xf0);
    std::vector<int32_t> want(rows);
    std::vector<uint32_t> nodes(rows);
    for (int row = 0; row < rows; ++row) {
      nodes[row] = rows - 1 - row;
      for (int i = 0; i < dimensions; ++i) {
        const int code = codes[row * dimensions + i];
        uint8_t& byte = packed[row * row_bytes + i / 2];
        byte = static_cast<uint8_t>(i % 2 == 0 ? (byte & 0xf0) | code
                                               : (byte & 0x0f) | code << 4);
        want[row] += (2 * code - 15) * values[i];
      }
    }
    for (int count = 1; count <= rows; ++count) {
      std::vector<int32_t> gathered(count + 1, -77);
      GetParam().gather_nibbles(query, packed.data(), dimensions, nodes.data(),
                                count, gathered.data());
      for (int row = 0; row < count; ++row) {
        ASSERT_EQ(gathered[row], want[nodes[row]])
            << "row " << row << " of " << count << ", " << dimensions;
      }
      EXPECT_EQ(gathered[count], -77) << "wrote beyond the last score";
    }
  }

  std::mt19937 random_{17};
};

std::vector<int> Dimensions() {
  std::vector<int> dimensions;
  for (int i = 1; i <= 130; ++i) dimensions.push_back(i);
  for (int i : {255, 256, 257, 383, 384, 511, 768, 1023, 1536, 2047, 3072, 4095,
                kMaxDimensions}) {
    dimensions.push_back(i);
  }
  return dimensions;
}

TEST_P(CodeKernelsTest, AgreesWithPlainIntegersForEveryDimension) {
  for (int dimensions : Dimensions()) {
    const int rows = dimensions <= 70 ? 7 : 2;
    std::vector<int8_t> values(dimensions);
    for (int8_t& value : values)
      value = static_cast<int8_t>(static_cast<int>(random_() % 255) - 127);
    std::vector<uint8_t> codes(rows * dimensions);
    for (uint8_t& code : codes) code = static_cast<uint8_t>(random_());
    ExpectMatchesReference(values, codes, rows);
  }
}

// Where sums of pairs saturate, and where all have one sign.
TEST_P(CodeKernelsTest, AgreesWithPlainIntegersOnExtremeValues) {
  for (int dimensions : {1, 2, 31, 32, 33, 64, 65, 300, kMaxDimensions}) {
    for (int value : {-127, 127}) {
      for (int code : {0, 1, 128, 255}) {
        ExpectMatchesReference(
            std::vector<int8_t>(dimensions, static_cast<int8_t>(value)),
            std::vector<uint8_t>(4 * dimensions, static_cast<uint8_t>(code)),
            4);
      }
    }
    std::vector<int8_t> values(dimensions);
    for (int8_t& value : values) value = random_() % 2 == 0 ? -127 : 127;
    std::vector<uint8_t> codes(4 * dimensions);
    for (uint8_t& code : codes) code = random_() % 2 == 0 ? 0 : 255;
    ExpectMatchesReference(values, codes, 4);
  }
}

TEST_P(CodeKernelsTest, AgreesWithPlainIntegersOn4BitCodes) {
  for (int dimensions : Dimensions()) {
    const int rows = dimensions <= 70 ? 7 : 2;
    std::vector<int8_t> values(dimensions);
    for (int8_t& value : values)
      value = static_cast<int8_t>(static_cast<int>(random_() % 255) - 127);
    std::vector<uint8_t> codes(rows * dimensions);
    for (uint8_t& code : codes) code = static_cast<uint8_t>(random_() % 16);
    ExpectNibblesMatchReference(values, codes, rows);
  }
}

TEST_P(CodeKernelsTest, AgreesWithPlainIntegersOnExtreme4BitCodes) {
  for (int dimensions :
       {1, 2, 63, 64, 65, 127, 128, 129, 300, kMaxDimensions}) {
    for (int value : {-127, 127}) {
      for (int code : {0, 7, 8, 15}) {
        ExpectNibblesMatchReference(
            std::vector<int8_t>(dimensions, static_cast<int8_t>(value)),
            std::vector<uint8_t>(4 * dimensions, static_cast<uint8_t>(code)),
            4);
      }
    }
    std::vector<int8_t> values(dimensions);
    for (int8_t& value : values) value = random_() % 2 == 0 ? -127 : 127;
    std::vector<uint8_t> codes(4 * dimensions);
    for (uint8_t& code : codes) code = random_() % 2 == 0 ? 0 : 15;
    ExpectNibblesMatchReference(values, codes, 4);
  }
}

TEST_P(CodeKernelsTest, ARowAsAQueryIsItsStepsFromTheMiddle) {
  for (int dimensions : Dimensions()) {
    std::vector<uint8_t> row(dimensions);
    for (uint8_t& code : row) code = static_cast<uint8_t>(random_());
    row[dimensions / 2] = 0;
    row.back() = 255;
    std::vector<int8_t> values(dimensions + 1, 55);
    const int32_t sum =
        GetParam().to_query(row.data(), dimensions, values.data());
    int32_t want_sum = 0;
    for (int i = 0; i < dimensions; ++i) {
      const int want = row[i] == 0 ? -127 : row[i] - 128;
      ASSERT_EQ(values[i], want);
      want_sum += want;
    }
    EXPECT_EQ(sum, want_sum) << dimensions;
    EXPECT_EQ(values[dimensions], 55) << "wrote beyond the last value";
  }
}

INSTANTIATE_TEST_SUITE_P(AllSets, CodeKernelsTest,
                         ::testing::ValuesIn(SupportedCodeKernels()),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

TEST(SupportedCodeKernelsTest, TheBestComeFirstAndThePortableOnesAreThere) {
  EXPECT_EQ(BestCodeKernels().name, SupportedCodeKernels().front().name);
  EXPECT_EQ(std::string(SupportedCodeKernels().back().name), "portable");
}

}  // namespace
}  // namespace engram::hnsw
