// What remote providers ask and make of answers, over all of them.

#include "services/embedding/providers/http_provider.h"

#include <limits>
#include <string>
#include <vector>

#include "services/embedding/testing/http_provider_fixture.h"
#include "services/embedding/testing/text_vector.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using testing::HttpProviderTest;
using testing::NameOf;
using ::testing::Pointwise;
using testing::ProviderKind;
using ::testing::SizeIs;

TEST_P(HttpProviderTest, AsksAsItIsDocumentedAndReadsTheAnswer) {
  ASSERT_OK_AND_ASSIGN(const auto embedded,
                       Embed({"one", "two \"quoted\" \\ \n\x01", "naïve 😀"}));

  ASSERT_EQ(embedded.size(), 3);
  EXPECT_THAT(embedded[0].vector,
              Pointwise(FloatNear(1e-6), testing::TextVector("one", 8)));
  EXPECT_THAT(embedded[2].vector,
              Pointwise(FloatNear(1e-6), testing::TextVector("naïve 😀", 8)));
  const auto requests = server_.requests();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_THAT(requests[0].texts,
              ElementsAre("one", "two \"quoted\" \\ \n\x01", "naïve 😀"));
  EXPECT_EQ(requests[0].dimensions, 0);
  if (GetParam() != ProviderKind::kTei) {  // It has one model only.
    EXPECT_EQ(requests[0].model, "test-model");
  }
  int tokens = 0;
  for (const auto& text : embedded) {
    EXPECT_GE(text.tokens, 1);
    tokens += text.tokens;
  }
  // Gemini does not say how many there were: 31 bytes.
  EXPECT_EQ(tokens, GetParam() == ProviderKind::kGemini ? 7 : 1000);
}

TEST_P(HttpProviderTest, TellsQueriesFromDocuments) {
  ASSERT_OK(provider_->Embed({"cats"}, Purpose::kDocument));
  ASSERT_OK(provider_->Embed({"cats"}, Purpose::kQuery));

  const auto requests = server_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_THAT(requests[0].texts, ElementsAre("cats"));
  EXPECT_THAT(requests[1].texts, ElementsAre("find: cats"));
}

TEST_P(HttpProviderTest, WrongCountsAreRefused) {
  EXPECT_THAT(ChangeVectors([](auto& vectors) { vectors.pop_back(); }),
              StatusIs(absl::StatusCode::kInternal, "1 vectors came for 2"));
  EXPECT_THAT(
      ChangeVectors([](auto& vectors) { vectors.push_back(vectors[0]); }),
      StatusIs(absl::StatusCode::kInternal, "3 vectors came for 2"));
  EXPECT_THAT(ChangeVectors([](auto& vectors) { vectors.clear(); }),
              StatusIs(absl::StatusCode::kInternal, "0 vectors came for 2"));
}

TEST_P(HttpProviderTest, WrongDimensionsAreRefused) {
  EXPECT_THAT(ChangeVectors([](auto& vectors) { vectors[1].pop_back(); }),
              StatusIs(absl::StatusCode::kInternal, "7 values"));
  EXPECT_THAT(ChangeVectors([](auto& vectors) { vectors[1].clear(); }),
              StatusIs(absl::StatusCode::kInternal));
}

TEST_P(HttpProviderTest, WhatHasNoDirectionIsRefused) {
  EXPECT_THAT(ChangeVectors(
                  [](auto& vectors) { vectors[1] = std::vector<float>(8, 0); }),
              StatusIs(absl::StatusCode::kInternal, "no direction"));
  // As text `nan` and `inf` are no JSON; base64 carries them.
  for (const float value : {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(ChangeVectors([&](auto& vectors) { vectors[1][3] = value; }),
                StatusIs(absl::StatusCode::kInternal));
  }
}

TEST_P(HttpProviderTest, MalformedAnswersAreRefused) {
  EXPECT_THAT(ChangeBody([](const std::string& body) {
                return body.substr(0, body.size() / 2);
              }),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(ChangeBody([](const std::string& body) {
                return body.substr(0, body.size() - 1);
              }),
              StatusIs(absl::StatusCode::kInternal));
  for (const std::string body :
       {"", "null", "[]", "{}", "7", "<html>busy</html>", "{\"data\": 5}",
        "{\"embeddings\": [5]}", "[\"a\"]", "[[\"a\"]]"}) {
    EXPECT_THAT(ChangeBody([&](const std::string&) { return body; }),
                StatusIs(absl::StatusCode::kInternal))
        << body;
  }
}

TEST_P(HttpProviderTest, KeepsToTheLimitsOfItsFacts) {
  Use("    max_texts: 2\n");

  ASSERT_OK_AND_ASSIGN(const auto embedded, Embed({"a", "b", "c"}));

  EXPECT_THAT(server_.requests(), SizeIs(2));
  EXPECT_THAT(embedded[2].vector,
              Pointwise(FloatNear(1e-6), testing::TextVector("c", 8)));
}

INSTANTIATE_FOR_ALL_PROVIDERS(HttpProviderTest);

// What only some providers have.
using TaskTest = HttpProviderTest;

TEST_P(TaskTest, TellsQueriesFromDocuments) {
  Use("    document_task: store\n    query_task: find\n");

  ASSERT_OK(provider_->Embed({"cats"}, Purpose::kDocument));
  ASSERT_OK(provider_->Embed({"cats"}, Purpose::kQuery));

  EXPECT_EQ(server_.requests().at(0).task, "store");
  EXPECT_EQ(server_.requests().at(1).task, "find");
}

INSTANTIATE_TEST_SUITE_P(Providers, TaskTest,
                         ::testing::Values(ProviderKind::kVoyage,
                                           ProviderKind::kGemini,
                                           ProviderKind::kCohere,
                                           ProviderKind::kTei),
                         [](const auto& info) { return NameOf(info.param); });

using DimensionsTest = HttpProviderTest;

TEST_P(DimensionsTest, AreAskedForIfTheyAreNotTheModelsOwn) {
  Use("", absl::StrCat("{model: ", name(), ", dimensions: 5}"));

  ASSERT_OK_AND_ASSIGN(const auto embedded, Embed({"cats"}));

  EXPECT_EQ(server_.requests().at(0).dimensions, 5);
  EXPECT_THAT(embedded[0].vector, SizeIs(5));
  EXPECT_EQ(provider_->model().name, name() + "-5");
}

INSTANTIATE_TEST_SUITE_P(
    Providers, DimensionsTest,
    ::testing::Values(ProviderKind::kOpenAi, ProviderKind::kOpenRouter,
                      ProviderKind::kVoyage, ProviderKind::kMistral,
                      ProviderKind::kGemini, ProviderKind::kCohere,
                      ProviderKind::kOllama, ProviderKind::kTei),
    [](const auto& info) { return NameOf(info.param); });

using EncodingTest = HttpProviderTest;

TEST_P(EncodingTest, VectorsComeAsNumbersOrAsBase64) {
  for (const std::string encoding : {"float", "base64"}) {
    Use(absl::StrCat("    encoding: ", encoding, "\n"));
    ASSERT_OK_AND_ASSIGN(const auto embedded, Embed({"a"}));
    EXPECT_EQ(server_.requests().back().base64, encoding == "base64");
    EXPECT_THAT(embedded[0].vector,
                Pointwise(FloatNear(1e-6), testing::TextVector("a", 8)));
  }
}

INSTANTIATE_TEST_SUITE_P(Providers, EncodingTest,
                         ::testing::Values(ProviderKind::kOpenAi,
                                           ProviderKind::kOpenRouter,
                                           ProviderKind::kVoyage,
                                           ProviderKind::kMistral),
                         [](const auto& info) { return NameOf(info.param); });

// What only answers of the OpenAI shape have.
using OpenAiShapeTest = HttpProviderTest;

TEST_P(OpenAiShapeTest, VectorsAreOrderedByTheirIndex) {
  server_.Behave({.change_vectors =
                      [](auto& vectors) { std::swap(vectors[0], vectors[2]); },
                  .indexes = {2, 1, 0}});

  ASSERT_OK_AND_ASSIGN(const auto embedded, Embed({"a", "b", "c"}));

  const char* const texts[] = {"a", "b", "c"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(embedded[i].vector,
                Pointwise(FloatNear(1e-6), testing::TextVector(texts[i], 8)));
  }
}

TEST_P(OpenAiShapeTest, IndexesThatAreNoOrderAreRefused) {
  for (const std::vector<int>& indexes :
       {std::vector<int>{0, 0}, {1, 2}, {-1, 0}}) {
    server_.Behave({.indexes = indexes});
    EXPECT_THAT(Ask(), StatusIs(absl::StatusCode::kInternal, "index"));
  }
}

// Gateways answer 200 before they know how the provider behind them fares.
TEST_P(OpenAiShapeTest, AFailureInsideOfAnAnswerCounts) {
  EXPECT_THAT(ChangeBody([](const std::string&) {
                return R"({"error": {"code": 429, "message": "slow down"}})";
              }),
              StatusIs(absl::StatusCode::kResourceExhausted, "slow down"));
}

INSTANTIATE_TEST_SUITE_P(Providers, OpenAiShapeTest,
                         ::testing::Values(ProviderKind::kOpenAi,
                                           ProviderKind::kOpenRouter,
                                           ProviderKind::kVoyage,
                                           ProviderKind::kMistral,
                                           ProviderKind::kCompatible),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace engram::embedding
