#include "services/embedding/batching_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/clock/testing/fake_timers.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::FakeTimers;
using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeProvider;
using testing::HeldProvider;
using testing::Question;

// How long a call waits for others that come at the same moment.
constexpr absl::Duration kWindow = absl::Milliseconds(2);
constexpr size_t kQueuedBytes = 1 << 20;

class BatchingProviderTest : public ::testing::Test {
 protected:
  void Limit(CallLimits limits, size_t queued_bytes = kQueuedBytes) {
    auto held = std::make_unique<HeldProvider>(limits);
    held_ = held.get();
    provider_ = std::make_unique<BatchingProvider>(std::move(held),
                                                   queued_bytes, timers_);
  }

  // Asks for "1" and "2": enough to do for a provider that is not known yet.
  void KeepBusy() {
    busy_.push_back(
        std::make_unique<Question>(*provider_, std::vector<std::string>{"1"}));
    busy_.push_back(
        std::make_unique<Question>(*provider_, std::vector<std::string>{"2"}));
    timers_.Advance(kWindow);
  }
  // Answers every call, those that come of it too; the sizes of all.
  std::vector<size_t> AnswerAll() {
    std::vector<size_t> sizes;
    for (size_t i = 0; i < held_->calls(); ++i) {
      sizes.push_back(held_->texts(i).size());
      if (!held_->call(i).is_answered) held_->Answer(i);
    }
    return sizes;
  }
  // How one call with `texts` is split.
  std::vector<size_t> Split(std::vector<std::string> texts) {
    Question question(*provider_, std::move(texts));
    std::vector<size_t> sizes = AnswerAll();
    EXPECT_OK(question.status());
    return sizes;
  }

  FakeTimers timers_;
  HeldProvider* held_ = nullptr;
  std::unique_ptr<BatchingProvider> provider_;
  std::vector<std::unique_ptr<Question>> busy_;
};

TEST_F(BatchingProviderTest, ALoneCallGoesOutAtOnce) {
  Limit({.texts = 10});
  Question question(*provider_, {"a"}, {.purpose = Purpose::kQuery});

  ASSERT_EQ(held_->calls(), 1);
  EXPECT_EQ(held_->call(0).purpose, Purpose::kQuery);
}

TEST_F(BatchingProviderTest, TextsOfAllCallersThatComeMeanwhileGoTogether) {
  Limit({.texts = 10});
  KeepBusy();
  Question third(*provider_, {"a", "b"});
  Question fourth(*provider_, {"c"});
  timers_.Advance(kWindow);
  EXPECT_EQ(held_->calls(), 2);
  held_->Answer(0);

  ASSERT_EQ(held_->calls(), 3);
  EXPECT_THAT(held_->texts(2), ElementsAre("a", "b", "c"));
  EXPECT_FALSE(third.is_answered());
  held_->Answer(2);
  EXPECT_OK(third.status());
  EXPECT_OK(fourth.status());
  held_->Answer(1);
}

TEST_F(BatchingProviderTest, ThoseThatComeAtTheSameMomentGoTogether) {
  Limit({.texts = 10});
  Question first(*provider_, {"a"});
  Question second(*provider_, {"b"});
  timers_.Advance(kWindow / 2);
  Question third(*provider_, {"c"});
  EXPECT_EQ(held_->calls(), 1);
  timers_.Advance(kWindow / 2);

  ASSERT_EQ(held_->calls(), 2);
  EXPECT_THAT(held_->texts(1), ElementsAre("b", "c"));
  AnswerAll();
  EXPECT_EQ(timers_.waiting(), 0);
}

TEST_F(BatchingProviderTest, EndsWithItsTimerSet) {
  Limit({.texts = 10});
  Question first(*provider_, {"a"});
  Question second(*provider_, {"b"});
  EXPECT_EQ(timers_.waiting(), 1);
  provider_.reset();
  EXPECT_EQ(timers_.waiting(), 0);
}

TEST_F(BatchingProviderTest, OnlyWhatBelongsTogetherGoesTogether) {
  Limit({.texts = 10, .calls = 3});
  KeepBusy();
  Question document(*provider_, {"a"});
  Question query(*provider_, {"b"}, {.purpose = Purpose::kQuery});
  Question ranked(*provider_, {"c"},
                  {.purpose = Purpose::kQuery, .query = "q"});
  Question other(*provider_, {"d"}, {.purpose = Purpose::kQuery, .query = "r"});
  AnswerAll();

  EXPECT_EQ(held_->calls(), 6);
  // Queries before documents.
  EXPECT_THAT(held_->texts(2), ElementsAre("b"));
  EXPECT_THAT(held_->texts(3), ElementsAre("c"));
  EXPECT_EQ(held_->call(3).query, "q");
  EXPECT_THAT(held_->texts(5), ElementsAre("a"));
  EXPECT_OK(document.status());
}

TEST_F(BatchingProviderTest, KeepsToTheLimitOnTextsAndToTheirOrder) {
  Limit({.texts = 2});
  EXPECT_THAT(Split({"a", "b", "c", "d", "e"}), ElementsAre(2, 2, 1));
}

// For those who would rather fill one call than several.
TEST_F(BatchingProviderTest, TellsTheLimitsOfOneCall) {
  Limit({.texts = 2, .tokens = 30});
  EXPECT_EQ(provider_->limits().texts, 2);
  EXPECT_EQ(provider_->limits().tokens, 30);
}

TEST_F(BatchingProviderTest, KeepsToTheLimitOnGuessedTokens) {
  // 100 bytes are guessed at 52 tokens.
  Limit({.tokens = 110});
  const std::string text(100, 'a');
  EXPECT_THAT(Split({text, text, text}), ElementsAre(2, 1));
}

TEST_F(BatchingProviderTest, KeepsToTheLimitOnBytesOfJson) {
  // A control character takes six bytes in JSON.
  Limit({.bytes = 2000});
  const std::string plain(600, 'a');
  const std::string escaped(250, '\x01');
  EXPECT_THAT(Split({plain, plain, escaped, plain}), ElementsAre(2, 1, 1));
}

TEST_F(BatchingProviderTest, ATextBeyondALimitGoesAlone) {
  Limit({.tokens = 10});
  EXPECT_THAT(Split({"a", std::string(1000, 'b'), "c"}), ElementsAre(1, 1, 1));
}

TEST_F(BatchingProviderTest, WithoutTextsNothingIsSent) {
  Limit({});
  EXPECT_THAT(Split({}), ElementsAre());
}

TEST_F(BatchingProviderTest, FullCallsGoOutBesideOthersUpToTheLimit) {
  Limit({.texts = 2, .calls = 4});
  Question documents(*provider_,
                     {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"});
  // One is left for queries.
  EXPECT_EQ(held_->calls(), 3);
  Question queries(*provider_, {"q", "r", "s", "t"},
                   {.purpose = Purpose::kQuery});

  EXPECT_EQ(held_->calls(), 4);
  EXPECT_THAT(held_->texts(3), ElementsAre("q", "r"));
  AnswerAll();
  EXPECT_OK(documents.status());
  EXPECT_OK(queries.status());
}

TEST_F(BatchingProviderTest, AQueryDoesNotWaitForDocuments) {
  Limit({.texts = 2, .calls = 8});
  Question documents(*provider_, std::vector<std::string>(20, "a"));
  EXPECT_EQ(held_->calls(), 7);
  Question query(*provider_, {"q"}, {.purpose = Purpose::kQuery});
  timers_.Advance(kWindow);

  ASSERT_EQ(held_->calls(), 8);
  EXPECT_THAT(held_->texts(7), ElementsAre("q"));
  AnswerAll();
}

TEST_F(BatchingProviderTest, AFailureIsThatOfItsTexts) {
  Limit({.texts = 2});
  Question question(*provider_, {"a", "b", "c"});
  held_->Fail(0, absl::UnavailableError("down"));
  held_->Answer(1);

  EXPECT_THAT(question.results()[1], StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_OK(question.results()[2]);
}

TEST_F(BatchingProviderTest, TextsOfWhoLeftAreNotSent) {
  Limit({.texts = 10});
  KeepBusy();
  Question gone(*provider_, {"a"});
  Question late(*provider_, {"b"}, {},
                timers_.clock().Now() + absl::Seconds(1));
  Question stays(*provider_, {"c"});
  gone.Leave();
  timers_.Advance(absl::Seconds(2));
  AnswerAll();

  ASSERT_EQ(held_->calls(), 3);
  EXPECT_THAT(held_->texts(2), ElementsAre("c"));
  EXPECT_THAT(gone.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(late.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_OK(stays.status());
}

TEST_F(BatchingProviderTest, ACallLeavesWithTheLastOfItsCallers) {
  Limit({.texts = 10});
  KeepBusy();
  Question a(*provider_, {"a"});
  Question b(*provider_, {"b"});
  timers_.Advance(kWindow);
  held_->Answer(0);
  a.Leave();
  EXPECT_FALSE(held_->call(2).caller->has_left());
  b.Leave();
  EXPECT_TRUE(held_->call(2).caller->has_left());
  AnswerAll();
}

TEST_F(BatchingProviderTest, WhatWaitsIsBoundedInBytes) {
  Limit({.texts = 10}, 100);
  KeepBusy();
  // Nothing waits, so it may be as large as it is.
  Question large(*provider_, {std::string(150, 'a')});
  Question refused(*provider_, {"b"});

  EXPECT_THAT(refused.status(),
              StatusIs(absl::StatusCode::kResourceExhausted, "100 bytes"));
  EXPECT_EQ(RetryDelayOf(refused.status()), absl::Seconds(1));
  AnswerAll();
  EXPECT_OK(large.status());
  // And there is room again.
  Question later(*provider_, {"b"});
  AnswerAll();
  EXPECT_OK(later.status());
}

// Else a long queue would need a deep stack.
TEST_F(BatchingProviderTest, AProviderThatFailsAtOnceIsCalledInALoop) {
  auto fake = std::make_unique<FakeProvider>();
  FakeProvider& control = *fake;
  fake->set_limits({.texts = 1});
  fake->set_before([](auto) { return absl::UnavailableError("down"); });
  BatchingProvider provider(std::move(fake), kQueuedBytes, timers_);

  Question question(provider, std::vector<std::string>(100'000, "a"));

  EXPECT_THAT(question.status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(control.calls(), 100'000);
}

}  // namespace
}  // namespace engram::embedding
