#include "services/search/facet_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/schema/record_scope.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/attribute_builder.h"

namespace engram::search {
namespace {

using ::engram::search::testing::CollectionOf;
using ::engram::search::testing::FieldsOf;
using ::engram::testing::StatusIs;
using schema::FieldValue;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using Values = std::map<std::string, FieldValue>;

constexpr char kNotes[] = R"(
collection: notes
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  weight: {type: double, index: true}
  done: {type: bool, index: true}
  tags: {type: strings, index: true}
vectors: {body: {source: [body]}}
)";

class FacetCounterTest : public ::testing::Test {
 protected:
  FacetCounterTest() {
    const auto schema = ReadSchema(CollectionOf(kNotes));
    EXPECT_OK(schema);
    columns_ = std::make_unique<AttributeColumns>(*schema);
    columns_->CompleteFrom(0);
  }

  void Put(int64_t row, const Values& values) {
    const std::string fields = FieldsOf(*columns_->schema(), values);
    columns_->Apply({{.row = row, .fields = fields}}, ++sequence_);
  }

  FacetCount Count(const std::string& field, const std::string& filter = "true",
                   const std::vector<int64_t>& without = {}) {
    FacetCount count;
    ReadFilter read = Read(field, filter);
    EXPECT_OK(columns_->Find(read, absl::Now(), absl::InfiniteFuture(),
                             [&](const MatchingRows& rows) {
                               const auto counted =
                                   CountFacet(rows, read.facets[0], without);
                               EXPECT_OK(counted);
                               if (counted.ok()) count = *counted;
                             }));
    return count;
  }

  ReadFilter Read(const std::string& field, const std::string& filter) {
    const auto schema = columns_->schema();
    const auto condition =
        filter::ParseFilter(filter, schema::RecordScope(schema->spec), {});
    EXPECT_OK(condition);
    return {.schema = schema,
            .condition = *condition,
            .facets = {schema->spec.FieldIndex(field)}};
  }

  std::unique_ptr<AttributeColumns> columns_;
  int64_t sequence_ = 0;
};

TEST_F(FacetCounterTest, CountsTheValuesOfEveryTypeTheMostFrequentFirst) {
  Put(1, {{"kind", "b"}, {"stars", int64_t{2}}, {"done", int64_t{1}}});
  Put(2, {{"kind", "b"}, {"stars", int64_t{2}}, {"weight", 0.5}});
  Put(3, {{"kind", "a"}, {"stars", int64_t{1}}, {"weight", -0.0}});
  Put(4, {{"kind", "c"}, {"weight", 0.0}, {"tags", R"(["x","y","x"])"}});
  Put(5, {{"kind", "b"}, {"done", int64_t{0}}, {"tags", R"(["y"])"}});
  EXPECT_THAT(Count("kind").values,
              ElementsAre(Pair(FieldValue("b"), 3), Pair(FieldValue("a"), 1),
                          Pair(FieldValue("c"), 1)));
  EXPECT_EQ(Count("kind").value_count, 3);
  EXPECT_THAT(Count("stars").values,
              ElementsAre(Pair(FieldValue(int64_t{2}), 2),
                          Pair(FieldValue(int64_t{1}), 1)));
  EXPECT_THAT(Count("weight").values,
              ElementsAre(Pair(FieldValue(0.0), 2), Pair(FieldValue(0.5), 1)));
  EXPECT_THAT(Count("done").values,
              ElementsAre(Pair(FieldValue(int64_t{0}), 1),
                          Pair(FieldValue(int64_t{1}), 1)));
  // Of a list each element, once a record.
  EXPECT_THAT(Count("tags").values,
              ElementsAre(Pair(FieldValue("y"), 2), Pair(FieldValue("x"), 1)));
}

TEST_F(FacetCounterTest, CountsOnlyRecordsThatMeetTheFilterAndAreNotLeftOut) {
  for (int row = 1; row <= 6; ++row) {
    Put(row, {{"kind", row % 2 == 0 ? "even" : "odd"},
              {"stars", int64_t{row}},
              {"tags", R"(["t"])"}});
  }
  EXPECT_THAT(
      Count("kind", "stars > 3").values,
      ElementsAre(Pair(FieldValue("even"), 2), Pair(FieldValue("odd"), 1)));
  EXPECT_THAT(Count("kind", "stars > 3", {4, 5, 99}).values,
              ElementsAre(Pair(FieldValue("even"), 1)));
  EXPECT_THAT(Count("tags", "stars > 3", {4}).values,
              ElementsAre(Pair(FieldValue("t"), 2)));
  EXPECT_THAT(Count("stars", "kind = 'none'").values, IsEmpty());
}

TEST_F(FacetCounterTest, OfManyValuesTheMostFrequentAreKept) {
  // Value v is had by v records.
  int64_t row = 0;
  for (int64_t value = 1; value <= 120; ++value) {
    for (int64_t i = 0; i < value; ++i) {
      ++row;
      Put(row, {{"stars", value}, {"kind", absl::StrCat(row)}});
    }
  }
  const FacetCount stars = Count("stars");
  EXPECT_EQ(stars.value_count, 120);
  ASSERT_EQ(stars.values.size(), kMaxFacetValues);
  for (int i = 0; i < kMaxFacetValues; ++i) {
    EXPECT_THAT(stars.values[i], Pair(FieldValue(int64_t{120 - i}), 120 - i));
  }
  // All are as frequent: by value.
  const FacetCount kinds = Count("kind");
  EXPECT_EQ(kinds.value_count, row);
  EXPECT_EQ(kinds.values[0].first, FieldValue("1"));
  EXPECT_EQ(kinds.values[1].first, FieldValue("10"));
  EXPECT_EQ(kinds.values[2].first, FieldValue("100"));
}

TEST_F(FacetCounterTest, WhatIsStillReadOrGivenUpIsAnError) {
  Put(1, {{"kind", "a"}});
  const auto find = [&] {
    return columns_->Find(Read("kind", "true"), absl::Now(),
                          absl::InfiniteFuture(), [](const MatchingRows&) {});
  };
  EXPECT_OK(find());
  columns_->Distrust("kind");
  EXPECT_THAT(find(), StatusIs(absl::StatusCode::kUnavailable,
                               "still reading kind of the records; retry"));
  columns_->CompleteFrom(sequence_);
  EXPECT_OK(find());
  Put(2, {{"kind", std::string(2000, 'x')}});
  EXPECT_THAT(find(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               "does not hold kind of the records"));
}

}  // namespace
}  // namespace engram::search
