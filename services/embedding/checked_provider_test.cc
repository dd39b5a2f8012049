#include "services/embedding/checked_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeProvider;

// Embeds two texts with a provider whose answer was spoilt by `spoil`.
absl::Status EmbedSpoilt(
    const std::function<void(std::vector<EmbeddedText>&)>& spoil) {
  auto fake = std::make_unique<FakeProvider>();
  fake->set_change_answer(spoil);
  CheckedProvider provider(std::move(fake));
  return provider.Embed({"a", "b"}, Purpose::kDocument).status();
}

TEST(CheckedProviderTest, LetsGoodAnswersPass) {
  EXPECT_OK(EmbedSpoilt([](auto&) {}));
}

TEST(CheckedProviderTest, RefusesAnotherNumberOfVectors) {
  EXPECT_THAT(EmbedSpoilt([](auto& answer) { answer.pop_back(); }),
              StatusIs(absl::StatusCode::kInternal,
                       "fake/small: 1 vectors came for 2 texts"));
  EXPECT_THAT(EmbedSpoilt([](auto& answer) { answer.push_back(answer[0]); }),
              StatusIs(absl::StatusCode::kInternal, "3 vectors"));
}

TEST(CheckedProviderTest, RefusesOtherDimensions) {
  EXPECT_THAT(EmbedSpoilt([](auto& answer) { answer[1].vector.push_back(0); }),
              StatusIs(absl::StatusCode::kInternal,
                       "a vector has 9 values, the model has 8"));
}

TEST(CheckedProviderTest, RefusesValuesThatAreNotFinite) {
  for (const float value : {std::nanf(""), INFINITY, -INFINITY}) {
    EXPECT_THAT(EmbedSpoilt([&](auto& answer) { answer[1].vector[7] = value; }),
                StatusIs(absl::StatusCode::kInternal, "not finite"));
  }
}

TEST(CheckedProviderTest, RefusesVectorsThatAreNotOfUnitLength) {
  EXPECT_THAT(EmbedSpoilt([](auto& answer) {
                for (float& value : answer[0].vector) value *= 1.01f;
              }),
              StatusIs(absl::StatusCode::kInternal, "length 1.01"));
  EXPECT_THAT(EmbedSpoilt([](auto& answer) {
                for (float& value : answer[0].vector) value = 0;
              }),
              StatusIs(absl::StatusCode::kInternal, "length 0"));
}

TEST(CheckedProviderTest, EmptyTextsDoNotReachTheProvider) {
  auto fake = std::make_unique<FakeProvider>();
  const FakeProvider& calls = *fake;
  std::vector<std::string> seen;
  fake->set_before([&](FakeProvider::Texts texts) {
    seen = std::vector<std::string>(texts.begin(), texts.end());
    return absl::OkStatus();
  });
  CheckedProvider provider(std::move(fake));

  EXPECT_THAT(provider.Embed({"", "a", ""}, Purpose::kDocument),
              StatusIs(absl::StatusCode::kInvalidArgument, "texts[2]"));
  EXPECT_THAT(seen, ElementsAre("a"));
  EXPECT_THAT(provider.Embed({""}, Purpose::kDocument),
              StatusIs(absl::StatusCode::kInvalidArgument, "texts[0]"));
  EXPECT_EQ(calls.calls(), 1);
}

TEST(CheckedProviderTest, ErrorsPassUnchanged) {
  auto fake = std::make_unique<FakeProvider>();
  fake->set_before([](auto) { return absl::UnavailableError("down"); });
  CheckedProvider provider(std::move(fake));

  EXPECT_EQ(provider.Embed({"a"}, Purpose::kDocument).status(),
            absl::UnavailableError("down"));
}

}  // namespace
}  // namespace engram::embedding
