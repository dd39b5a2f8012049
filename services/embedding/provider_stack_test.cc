// What callers see of a remote model that does not work well, through all that
// is wrapped around it.

#include "services/embedding/provider_stack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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

class ProviderStackTest : public ::testing::Test {
 protected:
  ~ProviderStackTest() override {
    provider_->Shutdown();
    if (held_ != nullptr) AnswerAll();
  }

  void AnswerAll() {
    for (size_t i = 0; i < held_->calls(); ++i) {
      if (!held_->call(i).is_answered) held_->Answer(i);
    }
  }
  void Use(std::unique_ptr<Provider> provider) {
    std::vector<Endpoint> endpoints;
    endpoints.push_back({std::move(provider), {}});
    provider_ = WrapRemote(std::move(endpoints), {registry_, timers_, cache_});
  }

  void UseFake() {
    auto fake = std::make_unique<FakeProvider>();
    fake_ = fake.get();
    fake_->set_limits({.texts = 16});
    Use(std::move(fake));
  }
  void UseHeld(CallLimits limits) {
    auto held = std::make_unique<HeldProvider>(limits);
    held_ = held.get();
    Use(std::move(held));
  }

  // Asks for one text, in a call of its own, that waits `patience`.
  void Ask(const std::string& text, absl::Duration patience) {
    questions_.push_back(std::make_unique<Question>(
        *provider_, std::vector<std::string>{text}, EmbedCall{},
        timers_.clock().Now() + patience));
  }
  int Count(absl::StatusCode code) const {
    int count = 0;
    for (const auto& question : questions_) {
      count += question->status().code() == code;
    }
    return count;
  }

  absl::Time now() const { return timers_.clock().Now(); }

  FakeTimers timers_;
  prometheus::Registry registry_;
  VectorCache cache_{1 << 20};
  FakeProvider* fake_ = nullptr;
  HeldProvider* held_ = nullptr;
  std::unique_ptr<Provider> provider_;
  std::vector<std::unique_ptr<Question>> questions_;
};

TEST_F(ProviderStackTest, AStormOf429sIsSatOutAndNotAnsweredWithMore) {
  UseFake();
  const absl::Time end = now() + absl::Seconds(3);
  std::map<std::string, int> paid;
  fake_->set_before([&](FakeProvider::Texts texts) {
    if (now() < end) {
      return WithRetryDelay(absl::ResourceExhaustedError("429"),
                            absl::Seconds(1));
    }
    for (const absl::string_view text : texts) ++paid[std::string(text)];
    return absl::OkStatus();
  });
  for (int i = 0; i < 200; ++i) {
    Ask(absl::StrCat("t", i), absl::Minutes(1));
    timers_.Advance(absl::Milliseconds(10));
  }
  // Two calls at once, each once a second.
  EXPECT_LE(fake_->calls(), 6);
  timers_.Advance(absl::Seconds(20));

  EXPECT_EQ(Count(absl::StatusCode::kOk), 200);
  EXPECT_EQ(paid.size(), 200);
  for (const auto& [text, times] : paid) EXPECT_EQ(times, 1) << text;
}

TEST_F(ProviderStackTest, OfMalformedAnswersNoneIsBelieved) {
  UseFake();
  std::mt19937 random(42);
  fake_->set_change_answer([&](std::vector<EmbeddedText>& answer) {
    // Half of the answers.
    switch (random() % 4) {
      case 0:
        answer.pop_back();
        break;
      case 1:
        answer[0].vector[3] = NAN;
        break;
      default:
        break;
    }
  });
  const auto ask_for_all = [&] {
    questions_.clear();
    for (int i = 0; i < 100; ++i) {
      Ask(absl::StrCat("t", i), absl::Minutes(1));
      timers_.Advance(absl::Milliseconds(100));
    }
    timers_.Advance(absl::Seconds(30));
  };
  ask_for_all();

  // Each has the vector of its own text, unless every try of it was in vain.
  EXPECT_GE(Count(absl::StatusCode::kOk), 50);
  EXPECT_EQ(Count(absl::StatusCode::kOk) + Count(absl::StatusCode::kInternal) +
                Count(absl::StatusCode::kUnavailable),
            100);
  for (int round = 0; round < 4; ++round) ask_for_all();
  EXPECT_EQ(Count(absl::StatusCode::kOk), 100);
}

TEST_F(ProviderStackTest, AProviderThatIsDownIsLeftAloneAndFoundAgain) {
  UseFake();
  fake_->set_before([](auto) { return absl::UnavailableError("is down"); });
  // A minute under load.
  for (int i = 0; i < 600; ++i) {
    Ask(absl::StrCat("t", i), absl::Seconds(2));
    timers_.Advance(absl::Milliseconds(100));
  }
  timers_.Advance(absl::Seconds(2));
  EXPECT_EQ(Count(absl::StatusCode::kUnavailable) +
                Count(absl::StatusCode::kDeadlineExceeded),
            600);
  EXPECT_THAT(provider_->health(),
              StatusIs(absl::StatusCode::kUnavailable, "is down"));
  // Five that opened the breaker, and one each time that it was tried.
  EXPECT_LE(fake_->calls(), 5 + 8);

  fake_->set_before([](auto) { return absl::OkStatus(); });
  questions_.clear();
  timers_.Advance(absl::Seconds(30));
  for (int i = 0; i < 100; ++i) Ask(absl::StrCat("t", i), absl::Seconds(2));
  EXPECT_EQ(Count(absl::StatusCode::kOk), 100);
  EXPECT_OK(provider_->health());
}

TEST_F(ProviderStackTest, DimensionsThatChangeBehindOurBackAreAnError) {
  UseFake();
  fake_->set_change_answer([](std::vector<EmbeddedText>& answer) {
    for (EmbeddedText& text : answer) text.vector.push_back(0);
  });
  Ask("a", absl::Seconds(30));
  timers_.Advance(absl::Seconds(30));

  EXPECT_THAT(questions_[0]->status(),
              StatusIs(absl::StatusCode::kInternal,
                       "a vector has 9 values, the model has 8"));
  EXPECT_THAT(provider_->health(), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(ProviderStackTest, WhatAPartOfASplitCallBroughtIsNotPaidForAgain) {
  UseHeld({.texts = 2});
  Question question(*provider_, {"a", "b", "c"}, {}, now() + absl::Seconds(9));
  // The rest waits a moment for others.
  timers_.Advance(absl::Milliseconds(2));
  ASSERT_EQ(held_->calls(), 2);
  held_->Answer(0);
  held_->Fail(1, absl::FailedPreconditionError("key revoked"));
  EXPECT_THAT(question.status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));

  Question again(*provider_, {"a", "b", "c"}, {}, now() + absl::Seconds(9));
  ASSERT_EQ(held_->calls(), 3);
  EXPECT_THAT(held_->texts(2), ElementsAre("c"));
  held_->Answer(2);
  EXPECT_OK(again.status());
}

TEST_F(ProviderStackTest, WhatWasSentForACallerWhoLeftIsNotPaidForAgain) {
  UseHeld({});
  Ask("a", absl::Seconds(1));
  timers_.Advance(absl::Seconds(1));
  EXPECT_EQ(Count(absl::StatusCode::kDeadlineExceeded), 1);
  Ask("a", absl::Seconds(1));
  EXPECT_EQ(held_->calls(), 1);
  held_->Answer(0);

  EXPECT_EQ(Count(absl::StatusCode::kOk), 1);
}

TEST_F(ProviderStackTest, WhatWaitsForACallerWhoLeftIsNotSent) {
  UseHeld({.texts = 1, .calls = 1});
  Ask("a", absl::Seconds(60));
  Ask("b", absl::Seconds(60));
  Ask("c", absl::Seconds(60));
  questions_[1]->Leave();
  held_->Answer(0);

  ASSERT_EQ(held_->calls(), 2);
  EXPECT_THAT(held_->texts(1), ElementsAre("c"));
  held_->Answer(1);
}

TEST_F(ProviderStackTest, APoisonTextTakesNoOtherCallersTextWithIt) {
  UseFake();
  fake_->set_before([](FakeProvider::Texts texts) {
    for (const absl::string_view text : texts) {
      if (text != "poison") continue;
      return texts.size() == 1 ? absl::InvalidArgumentError("is refused")
                               : absl::AbortedError("one is refused");
    }
    return absl::OkStatus();
  });
  Question question(*provider_, {"a", "b", "poison", "c", "d"});

  for (const int good : {0, 1, 3, 4}) EXPECT_OK(question.results()[good]);
  EXPECT_THAT(question.results()[2],
              StatusIs(absl::StatusCode::kInvalidArgument, "is refused"));
}

TEST_F(ProviderStackTest, ALimitOnTheRateHoldsForAllCallersTogether) {
  auto held = std::make_unique<HeldProvider>(CallLimits{.texts = 1});
  held_ = held.get();
  std::vector<Endpoint> endpoints;
  endpoints.push_back({std::move(held), {.requests = 60}});
  provider_ = WrapRemote(std::move(endpoints), {registry_, timers_, cache_});
  for (int i = 0; i < 60; ++i) Ask(absl::StrCat("t", i), absl::Minutes(5));
  for (int second = 0; second < 30; ++second) {
    AnswerAll();
    timers_.Advance(absl::Seconds(1));
  }

  EXPECT_GE(held_->calls(), 30);
  EXPECT_LE(held_->calls(), 41);
}

}  // namespace
}  // namespace engram::embedding
