#include "services/embedding/migration_estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "libs/chunk/token_count.h"
#include "libs/status/rpc_status.h"
#include "services/embedding/testing/model_change_fixture.h"

namespace engram::embedding {
namespace {

using engram::testing::IsOk;
using engram::testing::StatusIs;
using Response = v1::EstimateMigrationResponse;

class MigrationEstimateTest : public testing::ModelChangeFixture {
 protected:
  MigrationEstimateTest() { request_.set_collection("notes"); }

  absl::StatusOr<Response> Estimate() {
    return EstimateMigration(request_, *catalog_, {.threads = 2, .batch = 10},
                             client_, absl::Now() + absl::Minutes(1),
                             testing::Always);
  }

  v1::EstimateMigrationRequest request_;
};

// A text of `count` words.
std::string Words(int count) {
  std::string text = "word0";
  for (int i = 1; i < count; ++i) absl::StrAppend(&text, " word", i);
  return text;
}

TEST_F(MigrationEstimateTest, CountsAllOfASmallCollection) {
  ApplyNotes("model: fake/small");
  WriteNotes(10, [](int i) { return i < 8 ? Words(i + 1) : ""; });
  // The provider counts three tokens where we count one.
  other_->set_change_answer([](std::vector<EmbeddedText>& answer) {
    for (size_t i = 0; i < answer.size(); ++i) {
      const int tokens = 3 * chunk::EstimateTokens(Words(answer.size()));
      answer[i].tokens = answer[i].spent.tokens = tokens;
    }
  });
  other_->set_price(2);
  request_.set_model("fake/other");
  ASSERT_OK_AND_ASSIGN(const Response response, Estimate());

  EXPECT_EQ(response.model().name(), "fake/other");
  EXPECT_EQ(response.records(), 10);
  EXPECT_EQ(response.sampled_records(), 10);
  EXPECT_EQ(response.texts(), 8);
  EXPECT_EQ(response.chunks(), 8);
  EXPECT_EQ(response.too_long_chunks(), 0);
  EXPECT_EQ(response.tokens(), 8 * 3 * chunk::EstimateTokens(Words(8)));
  EXPECT_EQ(response.cost_nanousd(), response.tokens() * 2000);
  EXPECT_EQ(response.vector_bytes(), 8 * 16 * sizeof(float));
  EXPECT_TRUE(response.has_duration());
  EXPECT_EQ(response.bottleneck(), Response::BOTTLENECK_MODEL);
  EXPECT_EQ(response.generation(), 0);
  EXPECT_FALSE(response.has_error());
}

TEST_F(MigrationEstimateTest, ScalesASampleOfALargeOne) {
  ApplyNotes("model: fake/small");
  WriteNotes(1500, [](int) { return "some words"; });
  ASSERT_OK_AND_ASSIGN(const Response response, Estimate());
  EXPECT_EQ(response.records(), 1500);
  EXPECT_EQ(response.sampled_records(), 1000);
  EXPECT_EQ(response.texts(), 1500);
  EXPECT_EQ(response.chunks(), 1500);
  EXPECT_EQ(small_->calls(), 1);
}

TEST_F(MigrationEstimateTest, CutsTextsAsAsked) {
  ApplyNotes("model: fake/small, chunking: {by: tokens, size: 16, overlap: 0}");
  WriteNotes(3, [](int) { return Words(64); });
  ASSERT_OK_AND_ASSIGN(Response response, Estimate());
  const int64_t as_declared = response.chunks();
  EXPECT_GT(as_declared, 3 * 3);
  // Nothing would change.
  EXPECT_EQ(response.generation(), 1);

  request_.mutable_chunking()->set_method(storage::v1::Chunking::METHOD_TOKENS);
  request_.mutable_chunking()->set_size(32);
  ASSERT_OK_AND_ASSIGN(response, Estimate());
  EXPECT_LT(response.chunks(), as_declared);
  EXPECT_GT(response.chunks(), 3);
  EXPECT_EQ(response.generation(), 0);

  request_.mutable_chunking()->Clear();
  ASSERT_OK_AND_ASSIGN(response, Estimate());
  EXPECT_EQ(response.chunks(), 3);
}

TEST_F(MigrationEstimateTest, TellsWhatTheModelWouldRefuse) {
  ApplyNotes("model: fake/small");
  WriteNotes(5, [](int i) { return Words(i < 2 ? 100 : 2); });
  small_->set_max_tokens(20);
  ASSERT_OK_AND_ASSIGN(const Response response, Estimate());
  EXPECT_EQ(response.chunks(), 5);
  EXPECT_EQ(response.too_long_chunks(), 2);
  EXPECT_FALSE(response.has_error());
}

TEST_F(MigrationEstimateTest, KeepsToTheRatesThatAreConfigured) {
  ApplyNotes("model: fake/small");
  WriteNotes(100, [](int) { return "some words"; });
  small_->set_rate_limits({.requests = 2});
  ASSERT_OK_AND_ASSIGN(Response response, Estimate());
  // Ten calls of ten texts, two a minute.
  EXPECT_EQ(response.duration().seconds(), 5 * 60);
  EXPECT_EQ(response.bottleneck(), Response::BOTTLENECK_REQUEST_RATE);

  small_->set_rate_limits({.requests = 2, .tokens = 1});
  ASSERT_OK_AND_ASSIGN(response, Estimate());
  EXPECT_EQ(response.duration().seconds(), response.tokens() * 60);
  EXPECT_EQ(response.bottleneck(), Response::BOTTLENECK_TOKEN_RATE);
}

TEST_F(MigrationEstimateTest, AModelThatIsDownLeavesTheTimeOpen) {
  ApplyNotes("model: fake/small");
  WriteNotes(3, [](int) { return "some words"; });
  small_->set_before([](testing::FakeProvider::Texts) {
    return absl::UnavailableError("no answer");
  });
  ASSERT_OK_AND_ASSIGN(const Response response, Estimate());
  EXPECT_EQ(response.chunks(), 3);
  EXPECT_GT(response.tokens(), 0);
  EXPECT_FALSE(response.has_duration());
  EXPECT_THAT(FromRpcStatus(response.error()),
              StatusIs(absl::StatusCode::kUnavailable, "no answer"));
}

TEST_F(MigrationEstimateTest, AFieldThatIsYetToBeDeclared) {
  ApplyNotes("model: fake/small");
  WriteNotes(3, [](int i) { return i == 0 ? "" : "some words"; });
  request_.set_vector_field("summary");
  EXPECT_THAT(Estimate(), StatusIs(absl::StatusCode::kNotFound, "give source"));
  request_.add_source("content");
  request_.set_template_("About: {content}");
  std::vector<std::string> given;
  small_->set_before([&](testing::FakeProvider::Texts texts) {
    for (const absl::string_view text : texts) given.emplace_back(text);
    return absl::OkStatus();
  });
  ASSERT_OK_AND_ASSIGN(const Response response, Estimate());
  EXPECT_EQ(response.texts(), 2);
  EXPECT_THAT(given,
              ::testing::ElementsAre("About: some words", "About: some words"));
}

TEST_F(MigrationEstimateTest, RefusesWhatCannotBe) {
  EXPECT_THAT(Estimate(), StatusIs(absl::StatusCode::kNotFound, "notes"));
  ApplyNotes("model: fake/small");
  request_.set_model("fake/none");
  EXPECT_THAT(Estimate(), StatusIs(absl::StatusCode::kNotFound, "fake/other"));
  request_.set_model("default");
  request_.add_source("stars");
  request_.add_source("nothing");
  const auto refused = Estimate().status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                "source[0]: names \"stars\", whose type is"));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                "source[1]: names \"nothing\", which is no"));
}

}  // namespace
}  // namespace engram::embedding
