// What providers that rerank are asked, and what is made of their answers.

#include "services/embedding/providers/rerank_format.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "libs/status/errors.h"
#include "services/embedding/testing/http_provider_fixture.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::kKeyEnv;
using testing::NameOf;
using testing::ProviderKind;
using testing::RankScore;
using ::testing::SizeIs;

class RerankFormatTest : public testing::HttpProviderTest {
 protected:
  RerankFormatTest() {
    const RemoteModel model = [&] {
      const auto config = ParseProviderConfig(
          absl::StrCat("providers:\n  ", NameOf(GetParam()),
                       ":\n    base_url: ", server_.base_url(),
                       "\n    key_env: ", kKeyEnv,
                       "\n    proxy: none\n    max_texts: 3\n    models:\n"
                       "      ranker: {kind: rerank, "
                       "usd_per_million_tokens: 2, "
                       "usd_per_thousand_searches: 6}\nuse: [",
                       NameOf(GetParam()), "/ranker]\n"),
          "test.yaml");
      EXPECT_OK(config);
      EXPECT_THAT(config->models, SizeIs(0));
      return config->rerankers.at(0);
    }();
    UseModel(model);
  }

  // Returns how well each of `texts` answers "q".
  std::vector<EmbedResult> Rank(const std::vector<std::string>& texts) {
    const std::vector<absl::string_view> views(texts.begin(), texts.end());
    absl::Notification answered;
    std::vector<EmbedResult> results;
    provider_->Start(
        {.texts = views,
         .purpose = Purpose::kQuery,
         .query = "q",
         .caller = std::make_shared<Caller>(absl::InfiniteFuture())},
        [&](std::vector<EmbedResult> answer) {
          results = std::move(answer);
          answered.Notify();
        });
    answered.WaitForNotification();
    return results;
  }
  absl::Status RankChanged(std::function<std::string(std::string)> change) {
    server_.Behave({.change_body = std::move(change)});
    return Rank({"a", "b"})[0].status();
  }
};

TEST_P(RerankFormatTest, AsksAsItIsDocumentedAndScoresEachTextByItsPlace) {
  const auto results = Rank({"a", "b \"quoted\"", "c"});

  ASSERT_THAT(results, SizeIs(3));
  for (const auto& result : results) ASSERT_OK(result);
  EXPECT_FLOAT_EQ(results[0]->vector[0], RankScore("q", "a"));
  EXPECT_FLOAT_EQ(results[1]->vector[0], RankScore("q", "b \"quoted\""));
  EXPECT_FLOAT_EQ(results[2]->vector[0], RankScore("q", "c"));
  const auto requests = server_.requests();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].query, "q");
  EXPECT_THAT(requests[0].texts, ElementsAre("a", "b \"quoted\"", "c"));
  // It has one model only.
  EXPECT_EQ(requests[0].model,
            GetParam() == ProviderKind::kTei ? "" : "ranker");
}

TEST_P(RerankFormatTest, TellsWhatItCosts) {
  double cost = 0;
  int tokens = 0;
  for (const auto& result : Rank({"a", "b"})) {
    cost += result->spent.cost_usd;
    tokens += result->spent.tokens;
  }
  // Cohere charges by the search, the others by the token.
  if (GetParam() == ProviderKind::kCohere) {
    EXPECT_NEAR(cost, 0.006, 1e-4);
  } else {
    EXPECT_EQ(tokens, 1000);
    EXPECT_NEAR(cost, 0.002, 1e-6);
  }
}

TEST_P(RerankFormatTest, KeepsToTheLimitsOfItsFacts) {
  const auto results = Rank({"a", "b", "c", "d"});

  EXPECT_THAT(server_.requests(), SizeIs(2));
  EXPECT_FLOAT_EQ(results[3]->vector[0], RankScore("q", "d"));
}

TEST_P(RerankFormatTest, AnswersThatDoNotScoreEachTextOnceAreRefused) {
  server_.Behave({.change_scores = [](auto& scores) { scores.pop_back(); }});
  EXPECT_THAT(Rank({"a", "b"})[0],
              StatusIs(absl::StatusCode::kInternal, "1 vectors came for 2"));
  const auto replace = [](const char* from, const char* to) {
    return [=](std::string body) {
      return absl::StrReplaceAll(body, {{from, to}});
    };
  };
  EXPECT_THAT(RankChanged(replace("\"index\": 1", "\"index\": 0")),
              StatusIs(absl::StatusCode::kInternal, "twice"));
  EXPECT_THAT(RankChanged(replace("\"index\": 1", "\"index\": 2")),
              StatusIs(absl::StatusCode::kInternal, "no score"));
  EXPECT_THAT(RankChanged(replace("\"index\": 1", "\"index\": 99999999999")),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(RankChanged(replace("\"index\"", "\"place\"")),
              StatusIs(absl::StatusCode::kInternal, "no index"));
  EXPECT_THAT(RankChanged(replace("score\"", "points\"")),
              StatusIs(absl::StatusCode::kInternal));
  for (const std::string body : {"", "null", "{}", "[]", "7", "<html>"}) {
    EXPECT_THAT(RankChanged([&](auto) { return body; }),
                StatusIs(absl::StatusCode::kInternal))
        << body;
  }
}

TEST_P(RerankFormatTest, RefusalsMeanTheSameAsThoseOfEmbedding) {
  server_.Behave({.status = 429, .headers = {{"Retry-After", "7"}}});
  const auto results = Rank({"a"});
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(RetryDelayOf(results[0].status()), absl::Seconds(7));
  server_.Behave({.status = 401, .words = "bad key"});
  EXPECT_THAT(Rank({"a"})[0],
              StatusIs(absl::StatusCode::kFailedPrecondition, "bad key"));
  server_.Behave({.status = 400, .words = "document is too long"});
  EXPECT_THAT(Rank({"a"})[0],
              StatusIs(absl::StatusCode::kInvalidArgument, "too long"));
}

INSTANTIATE_TEST_SUITE_P(Providers, RerankFormatTest,
                         ::testing::Values(ProviderKind::kCohere,
                                           ProviderKind::kVoyage,
                                           ProviderKind::kTei),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace engram::embedding
