#include "services/search/query_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"

namespace engram::search {
namespace {

using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

v1::QueryRequest TextQuery() {
  v1::QueryRequest request;
  request.set_collection("notes");
  request.set_text("sea");
  return request;
}

void SetVector(const std::vector<float>& values, v1::QueryRequest& request) {
  request.mutable_vector()->set_values(std::string(vector::Pack(values)));
}

TEST(QueryDecoderTest, FillsInTheDefaults) {
  ASSERT_OK_AND_ASSIGN(const DecodedQuery query, DecodeQuery(TextQuery()));
  EXPECT_EQ(query.database, "default");
  EXPECT_EQ(query.limit, 10);
  EXPECT_EQ(query.text, "sea");
  EXPECT_FALSE(query.vector.has_value());
  EXPECT_FALSE(query.min_position.has_value());
  EXPECT_FALSE(query.read_mask.has_value());
}

TEST(QueryDecoderTest, ReportsEveryFieldAtFaultTogether) {
  v1::QueryRequest request;
  request.set_limit(1001);
  request.set_min_position("yesterday");
  const absl::Status status = DecodeQuery(request).status();
  EXPECT_THAT(status, StatusIs(kInvalid, "collection: is empty"));
  EXPECT_THAT(status, StatusIs(kInvalid, "text: is missing"));
  EXPECT_THAT(status, StatusIs(kInvalid, "limit: is 1001; send 1 to 1000"));
  EXPECT_THAT(status, StatusIs(kInvalid, "min_position: \"yesterday\""));
}

TEST(QueryDecoderTest, LimitsFromOneToAThousandPass) {
  v1::QueryRequest request = TextQuery();
  for (const int limit : {1, 1000}) {
    request.set_limit(limit);
    EXPECT_EQ(DecodeQuery(request)->limit, limit);
  }
  request.set_limit(-1);
  EXPECT_THAT(DecodeQuery(request), StatusIs(kInvalid, "limit"));
}

TEST(QueryDecoderTest, AnEmptyTextIsRefused) {
  v1::QueryRequest request = TextQuery();
  request.set_text("");
  EXPECT_THAT(DecodeQuery(request), StatusIs(kInvalid, "text: is empty"));
}

TEST(QueryDecoderTest, VectorsAreFiniteFloats) {
  v1::QueryRequest request = TextQuery();
  SetVector({1, 2, 3}, request);
  EXPECT_THAT(*DecodeQuery(request)->vector, ElementsAre(1, 2, 3));
  SetVector({1, NAN}, request);
  EXPECT_THAT(DecodeQuery(request), StatusIs(kInvalid, "vector.values"));
  SetVector({1, INFINITY}, request);
  EXPECT_THAT(DecodeQuery(request), StatusIs(kInvalid, "not finite"));
  request.mutable_vector()->set_values("12345");
  EXPECT_THAT(DecodeQuery(request), StatusIs(kInvalid, "has 5 bytes"));
  request.mutable_vector()->clear_values();
  EXPECT_THAT(DecodeQuery(request), StatusIs(kInvalid, "has 0 bytes"));
}

TEST(QueryDecoderTest, AFingerprintGoesWithAVector) {
  v1::QueryRequest request = TextQuery();
  request.set_fingerprint("model-1");
  EXPECT_THAT(DecodeQuery(request),
              StatusIs(kInvalid, "fingerprint: says what made a vector"));
  SetVector({1, 2, 3}, request);
  EXPECT_EQ(DecodeQuery(request)->fingerprint, "model-1");
}

TEST(QueryDecoderTest, ATargetRecallIsWithinBoundsAndNotWithExact) {
  v1::QueryRequest request = TextQuery();
  EXPECT_EQ(DecodeQuery(request)->target_recall, 0.95);
  for (const float target : {0.5f, 0.8f, 0.999f}) {
    request.set_target_recall(target);
    EXPECT_EQ(DecodeQuery(request)->target_recall, target);
  }
  for (const float target : {0.49f, 0.9991f, 1.0f, -0.9f, NAN}) {
    request.set_target_recall(target);
    EXPECT_THAT(DecodeQuery(request),
                StatusIs(kInvalid, "send 0.5 to 0.999, or 0 for 0.95"));
  }
  request.set_target_recall(0.9f);
  request.set_exact(true);
  EXPECT_THAT(DecodeQuery(request),
              StatusIs(kInvalid, "target_recall: is given, but exact"));
}

TEST(QueryDecoderTest, AMinPositionIsOneOfTheQueriedDatabase) {
  v1::QueryRequest request = TextQuery();
  request.set_min_position("default@00000000000000ff.12");
  EXPECT_EQ(DecodeQuery(request)->min_position->sequence, 12);
  request.set_database("other");
  EXPECT_THAT(DecodeQuery(request),
              StatusIs(kInvalid, "min_position: is of database \"default\""));
}

TEST(QueryDecoderTest, AStarReadsAllFields) {
  v1::QueryRequest request = TextQuery();
  request.mutable_include()->mutable_fields()->add_paths("*");
  EXPECT_THAT(DecodeQuery(request)->read_mask->paths(), IsEmpty());
  request.mutable_include()->mutable_fields()->add_paths("title");
  EXPECT_THAT(DecodeQuery(request), StatusIs(kInvalid, "include.fields"));
  request.mutable_include()->mutable_fields()->mutable_paths()->RemoveLast();
  request.mutable_include()->mutable_fields()->set_paths(0, "title");
  EXPECT_THAT(DecodeQuery(request)->read_mask->paths(), ElementsAre("title"));
}

TEST(ReadQueryFilterTest, NamesWhatIsWrong) {
  auto schema = std::make_shared<CollectionSchema>();
  schema->spec.fields = {{.name = "kind"}};
  DecodedQuery query;
  EXPECT_THAT(ReadQueryFilter(query, schema), IsOk());
  query.filter = "kind = :k";
  EXPECT_THAT(ReadQueryFilter(query, schema),
              StatusIs(kInvalid, "filter: column 8"));
  (*query.parameters.mutable_fields())["k"].set_string_value("x");
  ASSERT_OK_AND_ASSIGN(const ReadFilter read, ReadQueryFilter(query, schema));
  EXPECT_EQ(read.schema, schema);
  EXPECT_EQ(read.condition.op, filter::Operator::kEqual);
  (*query.parameters.mutable_fields())["l"].set_string_value("x");
  EXPECT_THAT(ReadQueryFilter(query, schema),
              StatusIs(kInvalid, "parameters.l: is used nowhere"));
}

TEST(PrepareVectorTest, FitsTheVectorToTheIndex) {
  IndexSpec spec;
  spec.dimensions = 2;
  spec.metric = Metric::kCosine;
  std::vector<float> values = {3, 4};
  ASSERT_THAT(PrepareVector(spec, "vector.values", values), IsOk());
  EXPECT_THAT(values, ElementsAre(0.6f, 0.8f));
  spec.metric = Metric::kL2;
  values = {3, 4};
  ASSERT_THAT(PrepareVector(spec, "vector.values", values), IsOk());
  EXPECT_THAT(values, ElementsAre(3, 4));
  values = {1, 2, 3};
  EXPECT_THAT(
      PrepareVector(spec, "vector.values", values),
      StatusIs(kInvalid, "vector.values: has 3 values; the index wants 2"));
}

TEST(PrepareVectorTest, ZerosHaveNoDirectionForCosineButADistance) {
  IndexSpec spec;
  spec.dimensions = 2;
  std::vector<float> zeros = {0, 0};
  EXPECT_THAT(PrepareVector(spec, "vector.values", zeros),
              StatusIs(kInvalid, "zeros"));
  spec.metric = Metric::kL2;
  EXPECT_THAT(PrepareVector(spec, "vector.values", zeros), IsOk());
}

}  // namespace
}  // namespace engram::search
