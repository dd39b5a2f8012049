// What becomes of refusals and of connections that fail, over all remote
// providers.

#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "libs/http/testing/tls_identity.h"
#include "libs/status/errors.h"
#include "services/embedding/testing/http_provider_fixture.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kKeyEnv;
using testing::NameOf;
using ::testing::Not;
using testing::ProviderKind;
using testing::ProviderServer;
using ::testing::SizeIs;
using Fate = http::testing::FakeResponse::Fate;
using ProviderFaultsTest = testing::HttpProviderTest;

TEST_P(ProviderFaultsTest, ATextThatIsTooLongIsTheTextsFault) {
  constexpr absl::string_view kWords =
      "This model's maximum context length is 8192 tokens";
  EXPECT_THAT(Refuse(400, kWords),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "texts[0]: the provider answered 400: "
                       "This model's maximum"));
  EXPECT_THAT(Refuse(400, kWords, {}, {"a"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "texts[0]: "));
  EXPECT_THAT(Refuse(400, "Input id 1 has 10001 tokens, exceeding max 8192"),
              StatusIs(absl::StatusCode::kInvalidArgument, "texts[1]: "));
  EXPECT_THAT(Refuse(413, "payload too large"),
              StatusIs(absl::StatusCode::kInvalidArgument, "too large"));
  EXPECT_THAT(Refuse(422, "`inputs` must have less than 512 tokens"),
              StatusIs(absl::StatusCode::kInvalidArgument, "512 tokens"));
}

TEST_P(ProviderFaultsTest, WhatOnlyTheConfigurationCanMendIsNotTheTextsFault) {
  EXPECT_THAT(
      Refuse(401, "Incorrect API key provided"),
      StatusIs(absl::StatusCode::kFailedPrecondition, "Incorrect API key"));
  EXPECT_THAT(Refuse(403, "no access"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no access"));
  EXPECT_THAT(Refuse(404, "The model `x` does not exist"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("model ", name(),
                                    ": the provider answered 404: The model "
                                    "`x` does not exist")));
  EXPECT_THAT(Refuse(400, "API key not valid. Please pass a valid API key."),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Refuse(400, "Model voyage-9 is not supported"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Refuse(400, "Invalid value for dimensions: 5"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Refuse(308, ""),
              StatusIs(absl::StatusCode::kFailedPrecondition, "base_url"));
  EXPECT_EQ(ReasonOf(Refuse(401, "no")),
            common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE);
}

TEST_P(ProviderFaultsTest, QuotasThatAreUsedUpSayWhenToComeAgain) {
  EXPECT_THAT(
      Refuse(402, "Insufficient credits"),
      StatusIs(absl::StatusCode::kResourceExhausted, "Insufficient credits"));

  absl::Status status = Refuse(429, "slow down");
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted, "slow down"));
  EXPECT_EQ(RetryDelayOf(status), std::nullopt);

  status = Refuse(429, "slow down", {{"Retry-After", "7"}}, {"a"});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(RetryDelayOf(status), absl::Seconds(7));

  const std::string date =
      absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT",
                       absl::Now() + absl::Seconds(100), absl::UTCTimeZone());
  status = Refuse(429, "slow down", {{"Retry-After", date}}, {"a"});
  ASSERT_TRUE(RetryDelayOf(status).has_value());
  EXPECT_GT(*RetryDelayOf(status), absl::Seconds(60));
  EXPECT_LE(*RetryDelayOf(status), absl::Seconds(100));
}

TEST_P(ProviderFaultsTest, AProviderThatIsDownIsUnavailable) {
  for (const int status : {500, 502, 503, 529}) {
    EXPECT_THAT(Refuse(status, "overloaded"),
                StatusIs(absl::StatusCode::kUnavailable, "overloaded"));
  }
  const absl::Status status =
      Refuse(503, "restarting", {{"Retry-After", "3"}}, {"a"});
  EXPECT_EQ(RetryDelayOf(status), absl::Seconds(3));
}

TEST_P(ProviderFaultsTest, ConnectionsThatBreakAreUnavailable) {
  server_.Behave({.fate = Fate::kReset});
  EXPECT_THAT(Embed({"a"}), StatusIs(absl::StatusCode::kUnavailable, name()));
  server_.Behave({.fate = Fate::kCutShort});
  EXPECT_THAT(Embed({"a"}), StatusIs(absl::StatusCode::kUnavailable));
  // And the next call finds a new one.
  server_.Behave({});
  EXPECT_OK(Embed({"a"}));
}

TEST_P(ProviderFaultsTest, ASlowAnswerEndsAtTheTimeLimit) {
  Use("    timeout: 200ms\n");
  server_.Behave({.fate = Fate::kStalled});

  EXPECT_THAT(Embed({"a"}), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(ProviderFaultsTest, TrustsOnlyServersThatItsAuthoritiesKnow) {
  http::testing::TlsIdentity identity;
  const ProviderServer server(GetParam(), &identity);

  UseServer(server, "", name());
  EXPECT_THAT(Embed({"a"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "certificate"));
  EXPECT_THAT(server.requests(), IsEmpty());

  UseServer(server,
            absl::StrCat("    ca_file: ", identity.certificate_file(), "\n"),
            name());
  EXPECT_OK(Embed({"a"}));
}

TEST_P(ProviderFaultsTest, NoKeyIsSentNowhereAndToldToNobody) {
  // A provider, or a proxy before it, that repeats what it was sent.
  const absl::Status status = Refuse(
      401,
      absl::StrCat("the key ", std::string(ProviderServer::kKey), " is bad"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("the key [key] is bad"));
  EXPECT_THAT(status.ToString(), Not(HasSubstr(ProviderServer::kKey)));

  unsetenv(kKeyEnv);
  const size_t before = server_.requests().size();
  EXPECT_THAT(Embed({"a"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, kKeyEnv));
  EXPECT_THAT(server_.requests(), SizeIs(before));
}

INSTANTIATE_FOR_ALL_PROVIDERS(ProviderFaultsTest);

}  // namespace
}  // namespace engram::embedding
