#include "services/embedding/splitting_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeProvider;
using Texts = FakeProvider::Texts;

class SplittingProviderTest : public ::testing::Test {
 protected:
  // Sets the limits of the provider that is split for.
  void Limit(CallLimits limits) {
    auto provider = std::make_unique<FakeProvider>();
    fake_ = provider.get();
    fake_->set_limits(limits);
    fake_->set_before([this](Texts texts) {
      calls_.emplace_back(texts.begin(), texts.end());
      return absl::OkStatus();
    });
    splitting_ = std::make_unique<SplittingProvider>(std::move(provider));
  }

  std::vector<size_t> sizes() const {
    std::vector<size_t> sizes;
    for (const auto& call : calls_) sizes.push_back(call.size());
    return sizes;
  }

  FakeProvider* fake_ = nullptr;
  std::unique_ptr<SplittingProvider> splitting_;
  std::vector<std::vector<std::string>> calls_;
};

TEST_F(SplittingProviderTest, KeepsToTheLimitOnTextsAndToTheirOrder) {
  Limit({.texts = 2});

  ASSERT_OK_AND_ASSIGN(
      const auto embedded,
      splitting_->Embed({"a", "b", "c", "d", "e"}, Purpose::kQuery));

  EXPECT_THAT(sizes(), ElementsAre(2, 2, 1));
  ASSERT_EQ(embedded.size(), 5);
  EXPECT_EQ(embedded[0].vector, fake_->VectorOf("a"));
  EXPECT_EQ(embedded[4].vector, fake_->VectorOf("e"));
  EXPECT_EQ(fake_->last_purpose(), Purpose::kQuery);
}

TEST_F(SplittingProviderTest, KeepsToTheLimitOnGuessedTokens) {
  // 100 bytes are guessed at 52 tokens.
  Limit({.tokens = 110});
  const std::string text(100, 'a');

  ASSERT_OK(splitting_->Embed({text, text, text}, Purpose::kDocument));

  EXPECT_THAT(sizes(), ElementsAre(2, 1));
}

TEST_F(SplittingProviderTest, KeepsToTheLimitOnBytesOfJson) {
  // A control character takes six bytes in JSON.
  Limit({.bytes = 2000});
  const std::string plain(600, 'a');
  const std::string escaped(250, '\x01');

  ASSERT_OK(
      splitting_->Embed({plain, plain, escaped, plain}, Purpose::kDocument));

  EXPECT_THAT(sizes(), ElementsAre(2, 1, 1));
}

TEST_F(SplittingProviderTest, ATextBeyondALimitGoesAlone) {
  Limit({.tokens = 10});
  const std::string large(1000, 'a');

  ASSERT_OK(splitting_->Embed({"a", large, "b"}, Purpose::kDocument));

  EXPECT_THAT(calls_, ElementsAre(ElementsAre("a"), ElementsAre(large),
                                  ElementsAre("b")));
}

TEST_F(SplittingProviderTest, WithoutLimitsThereIsOneCall) {
  Limit({});

  ASSERT_OK(splitting_->Embed({"a", "b", "c"}, Purpose::kDocument));
  EXPECT_THAT(splitting_->Embed({}, Purpose::kDocument)->size(), 0);

  EXPECT_THAT(sizes(), ElementsAre(3, 0));
}

// For those who would rather fill one call than several.
TEST_F(SplittingProviderTest, TellsTheLimitsOfOneCall) {
  Limit({.texts = 2, .tokens = 30});
  EXPECT_EQ(splitting_->limits().texts, 2);
  EXPECT_EQ(splitting_->limits().tokens, 30);
}

TEST_F(SplittingProviderTest, RefusedTextsAreNamedByTheirPlaceInAll) {
  Limit({.texts = 2});
  fake_->set_before([](Texts texts) {
    return texts[0] == "c" ? InvalidField("texts[1]", "is too long")
                           : absl::OkStatus();
  });

  EXPECT_THAT(
      splitting_->Embed({"a", "b", "c", "d"}, Purpose::kDocument),
      StatusIs(absl::StatusCode::kInvalidArgument, "texts[3]: is too long"));
}

TEST_F(SplittingProviderTest, EndsWithTheFirstCallThatFails) {
  Limit({.texts = 1});
  fake_->set_before([this](Texts texts) {
    calls_.emplace_back(texts.begin(), texts.end());
    return texts[0] == "b" ? absl::UnavailableError("down") : absl::OkStatus();
  });

  EXPECT_THAT(splitting_->Embed({"a", "b", "c"}, Purpose::kDocument),
              StatusIs(absl::StatusCode::kUnavailable, "down"));
  EXPECT_THAT(sizes(), ElementsAre(1, 1));
}

}  // namespace
}  // namespace engram::embedding
