#include "services/embedding/static_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/model_fixtures.h"
#include "services/embedding/testing/static_model_builder.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using testing::BuildStaticModel;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;
using testing::Patch;
using ::testing::Pointwise;
using testing::Sign;
using testing::SmallStaticModel;
using testing::WriteTestFile;

absl::StatusOr<std::unique_ptr<StaticModel>> OpenBytes(
    absl::string_view bytes) {
  const std::string path = WriteTestFile(bytes);
  auto model = StaticModel::Open(path);
  unlink(path.c_str());
  return model;
}

std::vector<float> Embed(const StaticModel& model, absl::string_view text) {
  StaticModel::Scratch scratch;
  std::vector<float> vector(model.dimensions());
  EXPECT_TRUE(model.Embed(text, scratch, absl::MakeSpan(vector)).has_value());
  return vector;
}

TEST(StaticModelTest, AddsTheScaledRowsOfTheTokens) {
  ASSERT_OK_AND_ASSIGN(const auto model, OpenBytes(SmallStaticModel()));

  // 2 * 0.5 * 100 along the first axis, 0.125 * 100 along the last.
  const float length = std::hypot(100.0f, 12.5f);
  EXPECT_THAT(Embed(*model, "Photos photo"),
              ElementsAre(FloatEq(100 / length), 0, 0, FloatEq(12.5 / length)));
  EXPECT_THAT(Embed(*model, "mouse"), ElementsAre(0.5, 0.5, 0.5, 0.5));
}

TEST(StaticModelTest, CountsTheTokensThatItRead) {
  ASSERT_OK_AND_ASSIGN(
      const auto model,
      OpenBytes(BuildStaticModel({{"[UNK]", 1, {1, 0}}, {"a", 1, {0, 1}}}, 3)));
  StaticModel::Scratch scratch;
  std::vector<float> vector(2);

  EXPECT_EQ(model->Embed("a a", scratch, absl::MakeSpan(vector)), 2);
  EXPECT_EQ(model->Embed("a a a zz zz", scratch, absl::MakeSpan(vector)), 3);
  EXPECT_THAT(vector, ElementsAre(0, 1));
}

TEST(StaticModelTest, TextWithoutTokensHasNoVector) {
  ASSERT_OK_AND_ASSIGN(
      const auto model,
      OpenBytes(BuildStaticModel({{"[UNK]", 0, {1, 0}}, {"a", 1, {0, 1}}})));
  StaticModel::Scratch scratch;
  std::vector<float> vector(2);

  EXPECT_FALSE(model->Embed(" \n", scratch, absl::MakeSpan(vector)));
  // A token whose row weighs nothing has no direction either.
  EXPECT_FALSE(model->Embed("zz", scratch, absl::MakeSpan(vector)));
}

TEST(StaticModelTest, AgreesWithTheReferenceVectors) {
  const auto model = testing::OpenShippedModel();
  const auto fixture = testing::ReadStaticModelFixture();
  ASSERT_GE(fixture.size(), 30);
  for (const auto& [text, expected] : fixture) {
    EXPECT_THAT(Embed(*model, text), Pointwise(FloatNear(1e-4), expected))
        << text;
  }
}

TEST(StaticModelFileTest, MissingFileIsNotFound) {
  EXPECT_THAT(StaticModel::Open("/no/such.model"),
              StatusIs(absl::StatusCode::kNotFound, "/no/such.model"));
}

TEST(StaticModelFileTest, DirectoryIsRefused) {
  EXPECT_THAT(StaticModel::Open(::testing::TempDir()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(StaticModelFileTest, EveryTruncationIsDataLoss) {
  const std::string model = SmallStaticModel();
  for (size_t size = 0; size < model.size(); ++size) {
    EXPECT_THAT(OpenBytes(model.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
  EXPECT_THAT(OpenBytes(model + "x"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(StaticModelFileTest, EveryFlippedByteIsFound) {
  const std::string model = SmallStaticModel();
  for (size_t i = 0; i < model.size(); ++i) {
    std::string flipped = model;
    flipped[i] ^= 0x10;
    // The first 12 bytes say of what kind and version it is.
    EXPECT_THAT(OpenBytes(flipped),
                StatusIs(i < 12 ? absl::StatusCode::kFailedPrecondition
                                : absl::StatusCode::kDataLoss))
        << i;
  }
}

TEST(StaticModelFileTest, UnknownVersionAndFlagsAreRefused) {
  std::string newer = SmallStaticModel();
  Patch<uint32_t>(newer, 8, 2);
  Sign(newer);
  EXPECT_THAT(OpenBytes(newer), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         "format version 2"));
  std::string cased = SmallStaticModel();
  Patch<uint32_t>(cased, 36, 14);
  Sign(cased);
  EXPECT_THAT(OpenBytes(cased),
              StatusIs(absl::StatusCode::kFailedPrecondition, "flags 14"));
}

// A checksum says that the bytes are those that were written, not that they
// were written well.
TEST(StaticModelFileTest, SignedNonsenseInTheHeaderIsRefusedOrHarmless) {
  const std::string model = SmallStaticModel();
  for (size_t offset = 12; offset < 112; offset += 4) {
    for (const uint32_t value :
         {0u, 1u, 63u, 64u, 255u, 257u, 320u, 1u << 20, 1u << 31, ~0u}) {
      std::string patched = model;
      Patch(patched, offset, value);
      Sign(patched);
      const auto opened = OpenBytes(patched);
      if (opened.ok()) {
        StaticModel::Scratch scratch;
        std::vector<float> vector((*opened)->dimensions());
        (*opened)->Embed("the photos", scratch, absl::MakeSpan(vector));
      }
    }
  }
}

TEST(StaticModelFileTest, SectionsOutsideOfTheFileAreRefused) {
  for (const size_t entry : {48, 64, 80, 96}) {
    for (const uint64_t offset : {uint64_t{0}, uint64_t{1} << 40,
                                  std::numeric_limits<uint64_t>::max() - 63}) {
      std::string model = SmallStaticModel();
      Patch(model, entry, offset);
      Sign(model);
      EXPECT_THAT(OpenBytes(model),
                  StatusIs(absl::StatusCode::kDataLoss, "section"));
    }
    std::string model = SmallStaticModel();
    Patch(model, entry + 8, std::numeric_limits<uint64_t>::max());
    Sign(model);
    EXPECT_THAT(OpenBytes(model), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(StaticModelFileTest, BadScalesAndTokensAreRefused) {
  const auto build = [](const std::vector<testing::TestToken>& tokens) {
    return OpenBytes(BuildStaticModel(tokens));
  };
  EXPECT_THAT(build({{"a", NAN, {1}}}),
              StatusIs(absl::StatusCode::kDataLoss, "scale"));
  EXPECT_THAT(build({{"a", INFINITY, {1}}}),
              StatusIs(absl::StatusCode::kDataLoss, "scale"));
  EXPECT_THAT(build({{"a", -1, {1}}}),
              StatusIs(absl::StatusCode::kDataLoss, "scale"));
  EXPECT_THAT(build({{"a", 1, {1}}, {"", 1, {1}}}),
              StatusIs(absl::StatusCode::kDataLoss, "token 1"));
  EXPECT_THAT(build({{"a", 1, {1}}, {"a", 1, {1}}}),
              StatusIs(absl::StatusCode::kDataLoss, "twice"));
}

TEST(StaticModelFileTest, TokensOutOfOrderAreRefused) {
  std::string model = SmallStaticModel();
  uint64_t offsets;
  model.copy(reinterpret_cast<char*>(&offsets), sizeof(offsets), 80);
  for (const uint32_t value : {0u, 1000u, ~0u}) {
    std::string patched = model;
    Patch(patched, offsets + 2 * sizeof(uint32_t), value);
    Sign(patched);
    EXPECT_THAT(OpenBytes(patched), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(StaticModelFileTest, StaysUsableWhenTheFileIsReplaced) {
  const std::string path = WriteTestFile(SmallStaticModel());
  ASSERT_OK_AND_ASSIGN(const auto model, StaticModel::Open(path));
  const auto before = Embed(*model, "photo");
  ASSERT_EQ(rename(WriteTestFile("other").c_str(), path.c_str()), 0);

  EXPECT_EQ(Embed(*model, "photo"), before);
  unlink(path.c_str());
}

}  // namespace
}  // namespace engram::embedding
