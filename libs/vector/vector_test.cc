#include "libs/vector/vector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "libs/vector/checksum.h"

namespace engram::vector {
namespace {

using ::testing::ElementsAre;

// Test vectors of the reference implementation, seed 0.
TEST(ChecksumTest, IsXxh64) {
  EXPECT_EQ(Checksum(""), 0xEF46DB3751D8E999u);
  EXPECT_EQ(Checksum("a"), 0xD24EC4F1A98C6E5Bu);
  EXPECT_EQ(Checksum("abc"), 0x44BC2CF5AD770999u);
  EXPECT_EQ(Checksum("Nobody inspects the spammish repetition"),
            0xFBCEA83C8A378BF1u);
}

TEST(ChecksumTest, SeesEveryFlippedBitAndEveryLength) {
  std::string data(100, 'x');
  const uint64_t whole = Checksum(data);
  for (size_t bit = 0; bit < data.size() * 8; ++bit) {
    data[bit / 8] ^= 1 << (bit % 8);
    EXPECT_NE(Checksum(data), whole) << "bit " << bit;
    data[bit / 8] ^= 1 << (bit % 8);
  }
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_NE(Checksum(absl::string_view(data).substr(0, size)), whole);
  }
}

TEST(ChecksumTest, AVectorsChecksumIsThatOfItsBytes) {
  const std::vector<float> values = {1.5f, -2.0f, 0.0f};
  EXPECT_EQ(VectorChecksum(values), Checksum(Pack(values)));
}

TEST(VectorTest, PacksLittleEndianAndBack) {
  const std::vector<float> values = {1.0f, -2.5f};
  EXPECT_EQ(Pack(values), absl::string_view("\0\0\x80\x3f\0\0\x20\xc0", 8));
  EXPECT_EQ(Unpack(Pack(values)), values);
  EXPECT_THAT(Unpack(""), ElementsAre());
}

TEST(VectorTest, NamesWhatIsNotFinite) {
  EXPECT_TRUE(IsFinite({0.0f, -1.0f, std::numeric_limits<float>::max()}));
  EXPECT_FALSE(IsFinite({0.0f, std::numeric_limits<float>::infinity()}));
  EXPECT_FALSE(IsFinite({std::nanf(""), 1.0f}));
}

TEST(VectorTest, NormalizesWhateverTheScale) {
  for (const float scale : {1e-40f, 1.0f, 1e38f}) {
    std::vector<float> values = {3 * scale / 4, -scale};
    ASSERT_TRUE(Normalize(absl::MakeSpan(values)));
    EXPECT_NEAR(values[0], 0.6f, 1e-4);
    EXPECT_NEAR(values[1], -0.8f, 1e-4);
  }
}

TEST(VectorTest, DoesNotNormalizeWhatHasNoDirection) {
  std::vector<float> zero = {0, -0.0f};
  EXPECT_FALSE(Normalize(absl::MakeSpan(zero)));
  std::vector<float> infinite = {1, std::numeric_limits<float>::infinity()};
  EXPECT_FALSE(Normalize(absl::MakeSpan(infinite)));
  EXPECT_EQ(infinite[0], 1);
}

}  // namespace
}  // namespace engram::vector
