#include "services/search/query_mode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

v1::QueryRequest TextQuery(v1::QueryRequest::Mode mode) {
  v1::QueryRequest request;
  request.set_text("sea");
  request.set_mode(mode);
  return request;
}

absl::Status Check(const v1::QueryRequest& request) {
  FieldViolations violations;
  DecodeMode(request, violations);
  return violations.ToStatus();
}

ModeOptions Decode(const v1::QueryRequest& request) {
  FieldViolations violations;
  const ModeOptions options = DecodeMode(request, violations);
  EXPECT_THAT(violations.ToStatus(), IsOk());
  return options;
}

TEST(QueryModeTest, ItIsSemanticUnlessStated) {
  for (const auto mode :
       {v1::QueryRequest::MODE_UNSPECIFIED, v1::QueryRequest::MODE_SEMANTIC}) {
    EXPECT_EQ(Decode(TextQuery(mode)).mode, QueryMode::kSemantic);
  }
  EXPECT_EQ(Decode(TextQuery(v1::QueryRequest::MODE_KEYWORD)).mode,
            QueryMode::kKeyword);
}

TEST(QueryModeTest, HybridIsFusedByRankAndHalfAndHalfUnlessStated) {
  v1::QueryRequest request = TextQuery(v1::QueryRequest::MODE_HYBRID);
  ModeOptions options = Decode(request);
  EXPECT_EQ(options.mode, QueryMode::kHybrid);
  EXPECT_EQ(options.fusion, FusionMethod::kReciprocalRank);
  EXPECT_EQ(options.semantic_weight, 0.5);
  EXPECT_FALSE(options.allow_degraded);
  request.mutable_fusion()->set_method(v1::Fusion::METHOD_WEIGHTED);
  request.mutable_fusion()->set_semantic_weight(0);
  request.set_allow_degraded(true);
  options = Decode(request);
  EXPECT_EQ(options.fusion, FusionMethod::kWeighted);
  EXPECT_EQ(options.semantic_weight, 0);
  EXPECT_TRUE(options.allow_degraded);
}

TEST(QueryModeTest, WhatIsNoValueIsRefused) {
  v1::QueryRequest request = TextQuery(static_cast<v1::QueryRequest::Mode>(9));
  EXPECT_THAT(Check(request), StatusIs(kInvalid, "mode: is 9"));
  request = TextQuery(v1::QueryRequest::MODE_HYBRID);
  for (const float weight : {-0.1F, 1.1F, NAN}) {
    request.mutable_fusion()->set_semantic_weight(weight);
    EXPECT_THAT(Check(request), StatusIs(kInvalid, "fusion.semantic_weight"));
  }
  request.mutable_fusion()->set_semantic_weight(1);
  EXPECT_THAT(Check(request), IsOk());
  request.mutable_fusion()->set_method(static_cast<v1::Fusion::Method>(9));
  EXPECT_THAT(Check(request), StatusIs(kInvalid, "fusion.method: is 9"));
}

TEST(QueryModeTest, WordsNeedAText) {
  for (const auto mode :
       {v1::QueryRequest::MODE_KEYWORD, v1::QueryRequest::MODE_HYBRID}) {
    v1::QueryRequest request = TextQuery(mode);
    request.mutable_vector()->set_values("1234");
    EXPECT_THAT(Check(request), StatusIs(kInvalid, "text: is missing"));
    request.set_id("r");
    EXPECT_THAT(Check(request), StatusIs(kInvalid, "text: is missing"));
  }
}

// What each mode has, and the others refuse.
TEST(QueryModeTest, AnOptionGoesWithItsModesOnly) {
  std::vector<std::pair<std::string, v1::QueryRequest>> semantic(4);
  semantic[0].first = "min_score";
  semantic[0].second.set_min_score(0);
  semantic[1].first = "group_by";
  semantic[1].second.set_group_by("kind");
  semantic[2].first = "diversity";
  semantic[2].second.set_diversity(0.5);
  semantic[3].first = "facets";
  semantic[3].second.add_facets("kind");
  std::vector<std::pair<std::string, v1::QueryRequest>> vectors(5);
  vectors[0].first = "vector_field";
  vectors[0].second.set_vector_field("body");
  vectors[1].first = "include.vector";
  vectors[1].second.mutable_include()->set_vector(true);
  vectors[2].first = "exact";
  vectors[2].second.set_exact(true);
  vectors[3].first = "target_recall";
  vectors[3].second.set_target_recall(0.9);
  vectors[4].first = "include.passage_text";
  vectors[4].second.mutable_include()->set_passage_text(true);
  std::vector<std::pair<std::string, v1::QueryRequest>> hybrid(2);
  hybrid[0].first = "fusion";
  hybrid[0].second.mutable_fusion();
  hybrid[1].first = "allow_degraded";
  hybrid[1].second.set_allow_degraded(true);
  const auto check = [](const auto& options, v1::QueryRequest::Mode mode,
                        bool has) {
    for (const auto& [field, option] : options) {
      v1::QueryRequest request = TextQuery(mode);
      request.MergeFrom(option);
      if (has) {
        EXPECT_THAT(Check(request), IsOk()) << field;
      } else {
        EXPECT_THAT(Check(request), StatusIs(kInvalid, field + ": is of use"));
      }
    }
  };
  check(semantic, v1::QueryRequest::MODE_SEMANTIC, true);
  check(semantic, v1::QueryRequest::MODE_HYBRID, false);
  check(semantic, v1::QueryRequest::MODE_KEYWORD, false);
  check(vectors, v1::QueryRequest::MODE_SEMANTIC, true);
  check(vectors, v1::QueryRequest::MODE_HYBRID, true);
  check(vectors, v1::QueryRequest::MODE_KEYWORD, false);
  check(hybrid, v1::QueryRequest::MODE_SEMANTIC, false);
  check(hybrid, v1::QueryRequest::MODE_HYBRID, true);
  check(hybrid, v1::QueryRequest::MODE_KEYWORD, false);
}

}  // namespace
}  // namespace engram::search
