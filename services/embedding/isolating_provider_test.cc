#include "services/embedding/isolating_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::HeldProvider;
using testing::Question;

class IsolatingProviderTest : public ::testing::Test {
 protected:
  // Answers every call as a provider does that refuses texts that begin with a
  // "!", and names the first of them if `names`.
  void AnswerAll(bool names) {
    for (size_t i = 0; i < held_->calls(); ++i) {
      const auto texts = held_->texts(i);
      std::vector<EmbedResult> results =
          FailAll(texts.size(), absl::AbortedError("a text is too long"));
      bool is_refused = false;
      for (size_t j = 0; j < texts.size() && !is_refused; ++j) {
        is_refused = texts[j][0] == '!';
        if (is_refused && (names || texts.size() == 1)) {
          results[j] = absl::InvalidArgumentError("is too long");
        }
      }
      if (is_refused) {
        held_->Answer(i, std::move(results));
      } else {
        held_->Answer(i);
      }
    }
  }

  HeldProvider* held_ = new HeldProvider;
  IsolatingProvider provider_{std::unique_ptr<Provider>(held_)};
};

TEST_F(IsolatingProviderTest, ACallThatIsTakenIsLeftAlone) {
  Question question(provider_, {"a", "b"});
  AnswerAll(true);

  EXPECT_EQ(held_->calls(), 1);
  EXPECT_OK(question.status());
}

TEST_F(IsolatingProviderTest, TheOthersGoAgainWithoutANamedText) {
  Question question(provider_, {"a", "!b", "c", "!d"});
  AnswerAll(true);

  ASSERT_EQ(held_->calls(), 3);
  EXPECT_THAT(held_->texts(1), ElementsAre("a", "c", "!d"));
  EXPECT_THAT(held_->texts(2), ElementsAre("a", "c"));
  EXPECT_OK(question.results()[0]);
  EXPECT_THAT(question.results()[1],
              StatusIs(absl::StatusCode::kInvalidArgument, "too long"));
  EXPECT_THAT(question.results()[3],
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(IsolatingProviderTest, ATextThatIsNotNamedIsFoundByHalves) {
  std::vector<std::string> texts(64, "a");
  texts[41] = "!b";
  Question question(provider_, texts);
  AnswerAll(false);

  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(question.results()[i].ok(), i != 41);
  }
  EXPECT_THAT(question.results()[41],
              StatusIs(absl::StatusCode::kInvalidArgument));
  // All, then two halves of each half that has it.
  EXPECT_EQ(held_->calls(), 13);
}

TEST_F(IsolatingProviderTest, OtherErrorsPass) {
  Question question(provider_, {"a", "b"});
  held_->Fail(0, absl::ResourceExhaustedError("slow down"));

  EXPECT_EQ(held_->calls(), 1);
  EXPECT_THAT(question.status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(IsolatingProviderTest, ATextThatTheProviderStumblesOverIsFoundToo) {
  std::vector<std::string> texts(64, "a");
  texts[41] = "!b";
  Question question(provider_, texts);
  for (size_t i = 0; i < held_->calls(); ++i) {
    const auto given = held_->texts(i);
    if (std::find(given.begin(), given.end(), "!b") != given.end()) {
      held_->Fail(i, absl::UnavailableError("500"));
    } else {
      held_->Answer(i);
    }
  }

  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(question.results()[i].ok(), i != 41);
  }
  const absl::Status status = question.results()[41].status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "500"));
  EXPECT_TRUE(IsTextsFault(status));
  // As above, and after each that failed a try of something else.
  EXPECT_EQ(held_->calls(), 13 + 7);
}

TEST_F(IsolatingProviderTest, AProviderThatIsDownIsAskedForNothingMore) {
  Question question(provider_, {"a", "b"});
  held_->Fail(0, absl::InternalError("garbage"));
  ASSERT_EQ(held_->calls(), 2);
  EXPECT_THAT(held_->texts(1), ElementsAre("engram"));
  held_->Fail(1, absl::UnavailableError("down"));

  EXPECT_EQ(held_->calls(), 2);
  for (const EmbedResult& result : question.results()) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kInternal, "garbage"));
    EXPECT_FALSE(IsTextsFault(result.status()));
  }
}

TEST_F(IsolatingProviderTest, OneThatGoesDownMeanwhileIsNotAskedForTheRest) {
  Question question(provider_, {"a", "b", "c", "d"});
  held_->Fail(0, absl::UnavailableError("one"));
  held_->Answer(1);
  EXPECT_THAT(held_->texts(2), ElementsAre("a", "b"));
  held_->Fail(2, absl::UnavailableError("two"));
  held_->Fail(3, absl::UnavailableError("three"));

  EXPECT_EQ(held_->calls(), 4);
  for (const EmbedResult& result : question.results()) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable, "two"));
    EXPECT_FALSE(IsTextsFault(result.status()));
  }
}

// Whoever asks has the error, and nothing is set aside.
TEST_F(IsolatingProviderTest, AQuestionThatFailsIsNotLookedInto) {
  Question question(provider_, {"a"}, {.purpose = Purpose::kQuery});
  held_->Fail(0, absl::UnavailableError("down"));

  EXPECT_EQ(held_->calls(), 1);
  EXPECT_FALSE(IsTextsFault(question.status()));
}

}  // namespace
}  // namespace engram::embedding
