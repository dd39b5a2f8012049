#include "services/embedding/providers/provider_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "libs/status/testing/status_matchers.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;

std::string WordsIn(const std::string& body) {
  return ReadRefusal({.status = 400, .body = body}, absl::UnixEpoch()).words;
}

TEST(ProviderErrorTest, ReadsTheWordsOfEachShape) {
  EXPECT_EQ(WordsIn(R"({"error": {"message": "no", "code": "bad"}})"),
            "no (bad)");
  EXPECT_EQ(WordsIn(R"({"error": {"code": 400, "message": "no"}})"), "no");
  EXPECT_EQ(WordsIn(R"({"error": "no", "error_type": "x"})"), "no");
  EXPECT_EQ(WordsIn(R"({"message": "no"})"), "no");
  EXPECT_EQ(WordsIn(R"({"detail": "no"})"), "no");
  EXPECT_EQ(WordsIn(R"({"detail": [{"loc": ["a"], "msg": "no"}]})"), "no");
  EXPECT_EQ(
      WordsIn(R"({"message": {"detail": [{"loc": ["a"], "msg": "no"}]}})"),
      "no");
}

TEST(ProviderErrorTest, OtherBodiesAreShownAsOneShortLine) {
  EXPECT_EQ(WordsIn("upstream\r\n  timed \x1b out"), "upstream timed out");
  EXPECT_EQ(WordsIn(R"({"reason": 5})"), R"({"reason": 5})");
  EXPECT_EQ(WordsIn(""), "");
  EXPECT_EQ(WordsIn("\xff\xfe"), "");
  EXPECT_LE(WordsIn(std::string(100'000, 'x')).size(), 310);
  EXPECT_LE(WordsIn(R"({"message": ")" + std::string(1000, 'x') + "\"}").size(),
            310);
}

TEST(ProviderErrorTest, ReadsGeminisDelay) {
  const Refusal refusal = ReadRefusal(
      {.status = 429,
       .body = R"({"error": {"code": 429, "message": "Quota exceeded",
                   "status": "RESOURCE_EXHAUSTED", "details": [
                   {"@type": "type.googleapis.com/google.rpc.Help"},
                   {"@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": "34.5s"}]}})"},
      absl::UnixEpoch());

  EXPECT_EQ(refusal.retry_after, absl::Milliseconds(34'500));
}

TEST(ProviderErrorTest, FindsTheTextThatIsNamed) {
  EXPECT_EQ(FindNamedText("'input[3]' is too long", 5), 3);
  EXPECT_EQ(FindNamedText("Input id 12 has 9000 tokens", 13), 12);
  EXPECT_EQ(FindNamedText("BatchEmbedContentsRequest.requests[0].content", 1),
            0);
  EXPECT_EQ(FindNamedText("text at index 2 is empty", 5), 2);
  // Of another call, or of none.
  EXPECT_EQ(FindNamedText("input[7] is too long", 5), std::nullopt);
  EXPECT_EQ(FindNamedText("input[] is too long", 5), std::nullopt);
  EXPECT_EQ(FindNamedText("too long by 3 tokens", 5), std::nullopt);
}

TEST(ProviderErrorTest, OnlyFailuresAreFoundInsideOfAnswers) {
  const auto find = [](const std::string& body) {
    return FindRefusalInside({.status = 200, .body = body}, absl::UnixEpoch());
  };
  EXPECT_EQ(find(R"({"error": {"code": 502, "message": "x"}})")->http_status,
            502);
  EXPECT_FALSE(find(R"({"error": {"code": 200}})").has_value());
  EXPECT_FALSE(find(R"({"error": "x"})").has_value());
  EXPECT_FALSE(find(R"({"data": []})").has_value());
  EXPECT_FALSE(find("").has_value());
}

TEST(ProviderErrorTest, ATooLongTextIsNotTakenForAModelThatDoesNotExist) {
  EXPECT_THAT(
      ToStatus({.http_status = 400,
                .words = "this model does not support inputs of more than "
                         "8192 tokens; not supported"}),
      StatusIs(absl::StatusCode::kInvalidArgument, "8192"));
  EXPECT_THAT(ToStatus({.http_status = 400, .words = "model \"x\" not found"}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ProviderErrorTest, TellsTextsThatAreTooLongFromOthers) {
  EXPECT_TRUE(IsTooLong(ToStatus({.http_status = 413})));
  EXPECT_TRUE(IsTooLong(
      ToStatus({.http_status = 400, .words = "Input is too LONG by 3"})));
  EXPECT_FALSE(IsTooLong(ToStatus({.http_status = 400, .words = "bad"})));
  EXPECT_FALSE(IsTooLong(ToStatus({.http_status = 500, .words = "too long"})));
}

}  // namespace
}  // namespace engram::embedding
