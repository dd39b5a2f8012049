#include "services/embedding/failover_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using testing::FakeProvider;
using testing::Question;

class FailoverProviderTest : public ::testing::Test {
 protected:
  FailoverProviderTest() {
    std::vector<std::unique_ptr<Provider>> endpoints;
    for (FakeProvider*& endpoint : endpoints_) {
      auto fake = std::make_unique<FakeProvider>();
      endpoint = fake.get();
      endpoints.push_back(std::move(fake));
    }
    provider_ = std::make_unique<FailoverProvider>(std::move(endpoints));
  }

  void Fail(int endpoint, absl::Status error) {
    endpoints_[endpoint]->set_before([error](auto) { return error; });
  }
  void Mend(int endpoint) {
    endpoints_[endpoint]->set_before([](auto) { return absl::OkStatus(); });
  }
  // The endpoint serves another model from now on.
  void Replace(int endpoint) {
    endpoints_[endpoint]->set_change_answer([](auto& answer) {
      for (EmbeddedText& text : answer)
        std::swap(text.vector[0], text.vector[1]);
    });
  }
  absl::Status Ask(const std::string& text) {
    return Question(*provider_, {text}).status();
  }
  int calls(int endpoint) const { return endpoints_[endpoint]->calls(); }

  FakeProvider* endpoints_[3];
  std::unique_ptr<FailoverProvider> provider_;
};

TEST_F(FailoverProviderTest, TheFirstIsCalledAsLongAsItWorks) {
  EXPECT_OK(Ask("a"));
  EXPECT_OK(Ask("b"));
  EXPECT_EQ(calls(0), 2);
  EXPECT_EQ(calls(1), 0);
}

TEST_F(FailoverProviderTest, TheNextOneIsCalledWhateverTheReason) {
  for (const auto code :
       {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kResourceExhausted, absl::StatusCode::kInternal,
        absl::StatusCode::kFailedPrecondition}) {
    Fail(0, absl::Status(code, "no"));
    EXPECT_OK(Ask("a"));
  }
  Fail(1, absl::UnavailableError("no"));
  EXPECT_OK(Ask("a"));
  EXPECT_EQ(calls(0), 6);
  EXPECT_GT(calls(2), 0);
  EXPECT_OK(provider_->health());
}

TEST_F(FailoverProviderTest, RefusedTextsAndGoneCallersGoNowhereElse) {
  for (const auto code :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kAborted,
        absl::StatusCode::kCancelled}) {
    Fail(0, absl::Status(code, "no"));
    EXPECT_THAT(Ask("a"), StatusIs(code));
  }
  EXPECT_EQ(calls(1), 0);
}

TEST_F(FailoverProviderTest, WhenAllFailTheFirstOnesErrorIsTold) {
  Fail(0,
       WithRetryDelay(absl::ResourceExhaustedError("busy"), absl::Seconds(7)));
  Fail(1, absl::FailedPreconditionError("no key"));
  Fail(2, absl::UnavailableError("down"));

  EXPECT_THAT(Ask("a"), StatusIs(absl::StatusCode::kResourceExhausted, "busy"));
}

TEST_F(FailoverProviderTest, AnotherProvesBeforeItsFirstAnswerThatItIsTheSame) {
  ASSERT_OK(Ask("a"));
  Fail(0, absl::UnavailableError("down"));

  EXPECT_OK(Ask("b"));
  // The text of before, then the one that is asked for.
  EXPECT_EQ(calls(1), 2);
  EXPECT_OK(Ask("c"));
  EXPECT_EQ(calls(1), 3);
}

TEST_F(FailoverProviderTest, OneThatServesAnotherModelIsNotUsed) {
  Replace(1);
  ASSERT_OK(Ask("a"));
  Fail(0, absl::UnavailableError("down"));

  // By the third.
  EXPECT_OK(Ask("b"));
  EXPECT_EQ(calls(1), 1);
  Fail(2, absl::UnavailableError("down"));
  EXPECT_THAT(Ask("c"), StatusIs(absl::StatusCode::kUnavailable, "down"));
  EXPECT_EQ(calls(1), 1);
}

TEST_F(FailoverProviderTest, TheFirstMustProveItToIfItCameLater) {
  Fail(0, absl::UnavailableError("down"));
  ASSERT_OK(Ask("a"));
  Mend(0);
  Replace(0);

  EXPECT_OK(Ask("b"));
  // Its error is the one that is told.
  Fail(1, absl::UnavailableError("down"));
  Fail(2, absl::UnavailableError("down"));
  const absl::Status status = Ask("c");
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "endpoint 1"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_FINGERPRINT_MISMATCH);
}

TEST_F(FailoverProviderTest, OnlyTheTextsThatFailedGoOn) {
  endpoints_[0]->set_before([](FakeProvider::Texts texts) {
    return texts.size() > 1 ? absl::UnavailableError("down") : absl::OkStatus();
  });
  Question question(*provider_, {"a", "b"});
  EXPECT_OK(question.status());
  EXPECT_EQ(calls(1), 1);
}

}  // namespace
}  // namespace engram::embedding
