#include "services/embedding/caching_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/clock/testing/fake_timers.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::FakeTimers;
using engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::HeldProvider;
using testing::Question;

class CachingProviderTest : public ::testing::Test {
 protected:
  CachingProviderTest() { Use(1 << 20); }
  ~CachingProviderTest() override {
    for (size_t i = 0; i < held_->calls(); ++i) {
      if (!held_->call(i).is_answered) held_->Answer(i);
    }
  }

  void Use(size_t cache_bytes) {
    provider_.reset();
    auto held = std::make_unique<HeldProvider>();
    held_ = held.get();
    cache_ = std::make_unique<VectorCache>(cache_bytes);
    provider_ = std::make_unique<CachingProvider>(std::move(held), *cache_,
                                                  timers_, registry_);
  }

  // Has `texts` in the cache.
  void Learn(std::vector<std::string> texts) {
    Question question(*provider_, std::move(texts));
    held_->Answer(held_->calls() - 1);
    ASSERT_TRUE(question.is_answered());
  }

  FakeTimers timers_;
  prometheus::Registry registry_;
  HeldProvider* held_ = nullptr;
  std::unique_ptr<VectorCache> cache_;
  std::unique_ptr<CachingProvider> provider_;
};

TEST_F(CachingProviderTest, SendsOnlyTextsWhoseVectorsAreNotAtHand) {
  Learn({"a", "b"});
  Question question(*provider_, {"b", "c", "a"});

  ASSERT_EQ(held_->calls(), 2);
  EXPECT_THAT(held_->texts(1), ElementsAre("c"));
  held_->Answer(1);
  EXPECT_OK(question.status());
  // What was at hand was read, but not paid for.
  EXPECT_EQ(question.results()[0]->tokens, 3);
  EXPECT_EQ(question.results()[0]->spent.tokens, 0);
  EXPECT_EQ(question.results()[0]->spent.cost_usd, 0);
  EXPECT_EQ(question.results()[1]->spent.tokens, 3);
  EXPECT_EQ(question.results()[1]->spent.cost_usd, 0.5);

  Question again(*provider_, {"c"});
  EXPECT_OK(again.status());
  EXPECT_EQ(held_->calls(), 2);
}

TEST_F(CachingProviderTest, QueriesAndDocumentsAreNotTheSame) {
  Learn({"a"});
  Question query(*provider_, {"a"}, {.purpose = Purpose::kQuery});
  Question ranked(*provider_, {"a"}, {.query = "q"});

  EXPECT_EQ(held_->calls(), 3);
  EXPECT_EQ(held_->call(2).query, "q");
}

TEST_F(CachingProviderTest, ATextThatIsOnItsWayIsWaitedFor) {
  Question first(*provider_, {"a", "b"});
  Question second(*provider_, {"b", "c", "b"});

  ASSERT_EQ(held_->calls(), 2);
  EXPECT_THAT(held_->texts(1), ElementsAre("c"));
  held_->Answer(1);
  EXPECT_FALSE(second.is_answered());
  held_->Answer(0);

  EXPECT_OK(first.status());
  EXPECT_OK(second.status());
  EXPECT_EQ(first.results()[1]->spent.tokens, 3);
  EXPECT_EQ(second.results()[0]->spent.tokens, 0);
  const std::string metrics =
      prometheus::TextSerializer().Serialize(registry_.Collect());
  EXPECT_THAT(metrics, HasSubstr("outcome=\"join\",provider=\"held\"} 2"));
  EXPECT_THAT(metrics, HasSubstr("outcome=\"miss\",provider=\"held\"} 3"));
}

TEST_F(CachingProviderTest, ErrorsReachAllWhoWaitAndAreNotKept) {
  Question first(*provider_, {"a"});
  Question second(*provider_, {"a"});
  held_->Fail(0, absl::UnavailableError("down"));

  EXPECT_THAT(first.status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(second.status(), StatusIs(absl::StatusCode::kUnavailable));
  Question third(*provider_, {"a"});
  EXPECT_EQ(held_->calls(), 2);
}

TEST_F(CachingProviderTest, WhatAPartOfACallBroughtIsKept) {
  Question question(*provider_, {"a", "b"});
  held_->Answer(0, {EmbeddedText{.vector = testing::TextVector("a", 4)},
                    absl::UnavailableError("down")});
  EXPECT_THAT(question.status(), StatusIs(absl::StatusCode::kUnavailable));

  Question again(*provider_, {"a", "b"});
  EXPECT_THAT(held_->texts(1), ElementsAre("b"));
  held_->Answer(1);
  EXPECT_OK(again.status());
}

TEST_F(CachingProviderTest, ACallerWhoLeavesIsAnsweredAndItsTextIsKept) {
  Question gone(*provider_, {"a"});
  Question stays(*provider_, {"a"});
  gone.Leave();

  EXPECT_THAT(gone.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(stays.is_answered());
  EXPECT_FALSE(held_->call(0).caller->has_left());

  stays.Leave();
  // From now on it need not be sent; if it was, the vector is for the cache.
  EXPECT_TRUE(held_->call(0).caller->has_left());
  held_->Answer(0);
  Question later(*provider_, {"a"});
  EXPECT_OK(later.status());
  EXPECT_EQ(held_->calls(), 1);
}

TEST_F(CachingProviderTest, DeadlinesAreKeptAndTheTextIsKept) {
  Question question(*provider_, {"a", "b"}, {},
                    timers_.clock().Now() + absl::Seconds(1));
  timers_.Advance(absl::Milliseconds(999));
  EXPECT_FALSE(question.is_answered());
  timers_.Advance(absl::Milliseconds(1));

  EXPECT_THAT(question.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  held_->Answer(0);
  Question later(*provider_, {"b", "a"});
  EXPECT_OK(later.status());
}

TEST_F(CachingProviderTest, WhatIsAtHandIsGivenDespiteTheDeadline) {
  Learn({"a"});
  Question question(*provider_, {"a", "b"}, {},
                    timers_.clock().Now() + absl::Seconds(1));
  timers_.Advance(absl::Seconds(1));

  EXPECT_OK(question.results()[0]);
  EXPECT_THAT(question.results()[1],
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(CachingProviderTest, NoTimerIsLeftBehind) {
  Question question(*provider_, {"a"}, {},
                    timers_.clock().Now() + absl::Hours(1));
  EXPECT_EQ(timers_.waiting(), 1);
  held_->Answer(0);
  EXPECT_EQ(timers_.waiting(), 0);
}

// The one who asked left before the text was sent, but another joined.
TEST_F(CachingProviderTest, ADroppedTextIsSentForWhoeverStillWaits) {
  Question gone(*provider_, {"a", "b"});
  gone.Leave();
  Question joined(*provider_, {"b"});
  EXPECT_EQ(held_->calls(), 1);
  held_->Fail(0, absl::CancelledError("nobody waits"));

  ASSERT_EQ(held_->calls(), 2);
  EXPECT_THAT(held_->texts(1), ElementsAre("b"));
  EXPECT_FALSE(held_->call(1).caller->has_left());
  held_->Answer(1);
  EXPECT_OK(joined.status());
}

TEST_F(CachingProviderTest, AnsweredCallsAreNotTouchedByLaterResults) {
  Question first(*provider_, {"a"});
  Question second(*provider_, {"a", "b"});
  second.Leave();
  held_->Answer(0);
  held_->Answer(1);

  EXPECT_OK(first.status());
  EXPECT_THAT(second.status(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(CachingProviderTest, WithoutMemoryTextsOnTheirWayAreStillShared) {
  Use(0);
  Question first(*provider_, {"a"});
  Question second(*provider_, {"a"});
  EXPECT_EQ(held_->calls(), 1);
  held_->Answer(0);
  EXPECT_OK(second.status());

  Question third(*provider_, {"a"});
  EXPECT_EQ(held_->calls(), 2);
}

TEST_F(CachingProviderTest, ShutdownAnswersAllAndTakesNoMore) {
  Question waiting(*provider_, {"a"});
  provider_->Shutdown();

  EXPECT_THAT(waiting.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(held_->call(0).caller->has_left());
  Question late(*provider_, {"b"});
  EXPECT_THAT(late.status(),
              StatusIs(absl::StatusCode::kCancelled, "shutting down"));
  EXPECT_EQ(held_->calls(), 1);
}

}  // namespace
}  // namespace engram::embedding
