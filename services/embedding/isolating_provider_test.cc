#include "services/embedding/isolating_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  held_->Fail(0, absl::UnavailableError("down"));

  EXPECT_THAT(question.status(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace engram::embedding
