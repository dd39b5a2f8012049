#include "services/embedding/generation_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/vector/vector.h"
#include "services/embedding/testing/model_change_fixture.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using Response = v1::CompareGenerationsResponse;

class GenerationComparisonTest : public testing::ModelChangeFixture {
 protected:
  GenerationComparisonTest() { request_.set_collection("notes"); }

  absl::StatusOr<Response> Compare() {
    return CompareGenerations(request_, *catalog_, client_,
                              absl::Now() + absl::Minutes(1), testing::Always);
  }

  v1::CompareGenerationsRequest request_;
};

// Vectors that have nothing to do with those of another model.
void MakeStrange(std::vector<EmbeddedText>& answer) {
  for (EmbeddedText& text : answer) {
    text.vector = testing::TextVector(vector::Pack(text.vector), 16);
  }
}

std::string TextOf(int i) { return absl::StrCat("text ", i); }

TEST_F(GenerationComparisonTest, TheSameVectorsFindTheSame) {
  ApplyNotes("model: fake/small, cutover: manual");
  WriteNotes(50, TextOf);
  EmbedAll(*small_);
  ApplyNotes("model: fake/small, metric: dot, cutover: manual");
  EmbedAll(*small_);
  ASSERT_OK_AND_ASSIGN(const Response response, Compare());
  EXPECT_EQ(response.baseline().id(), 1);
  EXPECT_EQ(response.candidate().id(), 2);
  EXPECT_EQ(response.records(), 50);
  EXPECT_EQ(response.incomplete_records(), 0);
  EXPECT_EQ(response.queries(), 50);
  EXPECT_EQ(response.overlap(), 1);
  EXPECT_EQ(response.rank_correlation(), 1);
  ASSERT_EQ(response.least_alike_size(), 10);
  // A record does not find itself.
  EXPECT_THAT(
      response.least_alike(0).baseline_ids(),
      ::testing::Not(::testing::Contains(response.least_alike(0).query())));
  EXPECT_EQ(response.least_alike(0).baseline_ids_size(), 10);
}

// The two models know nothing of each other, so ten of 199 others are shared by
// chance: a twentieth of them.
TEST_F(GenerationComparisonTest, StrangeModelsHaveLittleInCommon) {
  other_->set_change_answer(MakeStrange);
  ApplyNotes("model: fake/small, cutover: manual");
  WriteNotes(200, TextOf);
  EmbedAll(*small_);
  ApplyNotes("model: fake/other, cutover: manual");
  EmbedAll(*other_);
  ASSERT_OK_AND_ASSIGN(Response response, Compare());
  EXPECT_EQ(response.queries(), 200);
  EXPECT_NEAR(response.overlap(), 0.05, 0.03);
  EXPECT_LT(response.rank_correlation(), -0.4);
  EXPECT_EQ(response.least_alike(0).overlap(), 0);

  // Each query is embedded by the model of each generation.
  request_.add_queries("text 7");
  ASSERT_OK_AND_ASSIGN(response, Compare());
  EXPECT_EQ(response.queries(), 1);
  EXPECT_EQ(response.least_alike(0).query(), "text 7");
  EXPECT_EQ(response.least_alike(0).baseline_ids(0), "note-7");
  EXPECT_EQ(response.least_alike(0).candidate_ids(0), "note-7");
  EXPECT_EQ(small_->last_purpose(), Purpose::kQuery);
  EXPECT_EQ(other_->last_purpose(), Purpose::kQuery);

  request_.clear_queries();
  request_.set_sampled_queries(5);
  request_.set_baseline_generation(2);
  request_.set_candidate_generation(1);
  ASSERT_OK_AND_ASSIGN(response, Compare());
  EXPECT_EQ(response.queries(), 5);
  EXPECT_EQ(response.baseline().model(), "fake/other");
}

TEST_F(GenerationComparisonTest, LeavesOutWhatLacksVectors) {
  ApplyNotes("model: fake/small, cutover: manual");
  WriteNotes(30, [](int i) { return i < 20 ? TextOf(i) : ""; });
  EmbedAll(*small_);
  ApplyNotes("model: fake/other, cutover: manual");
  ASSERT_OK_AND_ASSIGN(Response response, Compare());
  EXPECT_EQ(response.records(), 0);
  EXPECT_EQ(response.incomplete_records(), 20);
  EXPECT_EQ(response.queries(), 0);
  EmbedAll(*other_);
  WriteNotes(1, [](int) { return "a newer text"; });
  EmbedAll(*other_);
  ASSERT_OK_AND_ASSIGN(response, Compare());
  EXPECT_EQ(response.records(), 19);
  EXPECT_EQ(response.incomplete_records(), 1);
}

TEST_F(GenerationComparisonTest, RefusesWhatCannotBe) {
  EXPECT_THAT(Compare(), StatusIs(absl::StatusCode::kNotFound, "notes"));
  ApplyNotes("model: fake/small, cutover: manual");
  EXPECT_THAT(Compare(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                  "only one generation"));
  request_.set_candidate_generation(9);
  EXPECT_THAT(Compare(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  "candidate_generation: is 9"));
  request_.add_queries("");
  request_.set_sampled_queries(1001);
  EXPECT_THAT(Compare(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  "queries[0]: is empty"));
  EXPECT_THAT(Compare(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  "sampled_queries: is 1001"));
}

TEST_F(GenerationComparisonTest, EndsWithTheCaller) {
  ApplyNotes("model: fake/small, cutover: manual");
  WriteNotes(3, TextOf);
  EmbedAll(*small_);
  ApplyNotes("model: fake/other, cutover: manual");
  EXPECT_THAT(
      CompareGenerations(request_, *catalog_, client_, absl::InfiniteFuture(),
                         [] { return absl::CancelledError("gone"); }),
      StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace engram::embedding
