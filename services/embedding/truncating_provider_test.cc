#include "services/embedding/truncating_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/status/testing/status_matchers.h"
#include "services/embedding/providers/provider_error.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using testing::HeldProvider;
using testing::Question;

class TruncatingProviderTest : public ::testing::Test {
 protected:
  // Answers every call as a provider does that takes `bytes` a text.
  void AnswerAll(size_t bytes) {
    for (size_t i = 0; i < held_->calls(); ++i) {
      std::vector<EmbedResult> results;
      for (const std::string& text : held_->texts(i)) {
        if (text.size() > bytes) {
          results.emplace_back(
              ToStatus({.http_status = 400, .words = "too many tokens"}));
        } else {
          results.emplace_back(
              EmbeddedText{.vector = testing::TextVector(text, 4)});
        }
      }
      held_->Answer(i, std::move(results));
    }
  }

  HeldProvider* held_ = new HeldProvider;
  TruncatingProvider provider_{std::unique_ptr<Provider>(held_)};
};

TEST_F(TruncatingProviderTest, NothingIsCutWithoutBeingAskedFor) {
  Question question(provider_, {"short", std::string(100, 'a')});
  AnswerAll(50);

  EXPECT_EQ(held_->calls(), 1);
  EXPECT_OK(question.results()[0]);
  EXPECT_THAT(question.results()[1],
              StatusIs(absl::StatusCode::kInvalidArgument, "too many tokens"));
}

TEST_F(TruncatingProviderTest, CutsUntilItIsTakenAndTellsHowMuch) {
  Question question(provider_, {"short", std::string(100, 'a')},
                    {.truncate = true});
  AnswerAll(50);

  // 100, 75, 54, 39.
  EXPECT_EQ(held_->calls(), 4);
  EXPECT_EQ(held_->texts(3), std::vector<std::string>{std::string(39, 'a')});
  EXPECT_EQ(question.results()[0]->truncated_bytes, 0);
  EXPECT_EQ(question.results()[1]->truncated_bytes, 61);
}

TEST_F(TruncatingProviderTest, OtherRefusalsAreNoReasonToCut) {
  Question question(provider_, {"aaaaaaaa"}, {.truncate = true});
  held_->Fail(0, ToStatus({.http_status = 400, .words = "bad words"}));

  EXPECT_THAT(question.status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "bad words"));
}

TEST_F(TruncatingProviderTest, GivesUpOnOneThatTakesNothing) {
  Question question(provider_, {std::string(10'000, 'a')}, {.truncate = true});
  AnswerAll(0);

  EXPECT_THAT(question.status(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(held_->calls(), 12);
}

TEST(CutEndTest, CutsBetweenWordsAndNeverInsideOfACharacter) {
  EXPECT_EQ(CutEnd("one two three", 13), "one two three");
  EXPECT_EQ(CutEnd("one two three", 9), "one two");
  EXPECT_EQ(CutEnd("onetwothree", 9), "onetwothr");
  // Too far back.
  EXPECT_EQ(CutEnd("a bcdefghijkl", 9), "a bcdefgh");
  EXPECT_EQ(CutEnd("ääää", 5), "ää");
  EXPECT_EQ(CutEnd("中", 2), "");
}

}  // namespace
}  // namespace engram::embedding
