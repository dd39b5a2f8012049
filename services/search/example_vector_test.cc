#include "services/search/example_vector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::IsEmpty;

class ExampleVectorTest : public ::testing::Test {
 protected:
  void Start(Metric metric) {
    index_ = std::make_unique<VectorIndex>(
        IndexSpec{.generation = 1, .dimensions = 2, .metric = metric});
  }
  void Put(int64_t row, const std::string& id,
           const std::vector<std::vector<float>>& chunks) {
    IndexChange change{.kind = IndexChange::Kind::kPutVectors,
                       .row = row,
                       .sequence = row,
                       .id = id};
    for (const auto& chunk : chunks) {
      change.chunks.push_back(vector::Pack(chunk));
    }
    index_->Apply({change}, row);
  }
  ExampleVector Make(const Examples& examples) {
    return VectorOfExamples(*index_, examples, AnyRow);
  }

  std::unique_ptr<VectorIndex> index_;
};

TEST_F(ExampleVectorTest, ARecordIsTheMeanOfItsChunks) {
  Start(Metric::kDot);
  Put(1, "one", {{3, 4}});
  Put(2, "two", {{3, 4}, {5, 0}});
  EXPECT_THAT(Make({.positive = {"one"}}).values, ElementsAre(3, 4));
  EXPECT_THAT(Make({.positive = {"two"}}).values, ElementsAre(4, 2));
}

TEST_F(ExampleVectorTest, EachRecordCountsTheSameHoweverManyChunksItHas) {
  Start(Metric::kDot);
  Put(1, "short", {{0, 8}});
  Put(2, "long", {{8, 0}, {8, 0}, {8, 0}});
  EXPECT_THAT(Make({.positive = {"short", "long"}}).values, ElementsAre(4, 4));
}

TEST_F(ExampleVectorTest, UnderCosineEachRecordHasUnitLength) {
  Start(Metric::kCosine);
  Put(1, "wide", {{1, 0}, {0, 1}});  // Their mean is short.
  Put(2, "narrow", {{1, 0}});
  const float half = 0.70710678f;
  EXPECT_THAT(Make({.positive = {"wide"}}).values,
              ElementsAre(FloatEq(half), FloatEq(half)));
  EXPECT_THAT(Make({.positive = {"wide", "narrow"}}).values,
              ElementsAre(FloatEq((half + 1) / 2), FloatEq(half / 2)));
}

TEST_F(ExampleVectorTest, NegativesPushAwayAsFarAsTheyDiffer) {
  Start(Metric::kL2);
  Put(1, "a", {{4, 4}});
  Put(2, "b", {{4, 0}});
  Put(3, "c", {{2, 2}});
  Put(4, "d", {{0, 2}});
  // 2 x (4, 2) - (1, 2).
  EXPECT_THAT(Make({.positive = {"a", "b"}, .negative = {"c", "d"}}).values,
              ElementsAre(7, 2));
}

TEST_F(ExampleVectorTest, NamesEachMissingRecordOnce) {
  Start(Metric::kDot);
  Put(1, "a", {{1, 1}});
  const ExampleVector made =
      Make({.positive = {"x", "a", "x"}, .negative = {"y", "x"}});
  EXPECT_THAT(made.missing, ElementsAre("x", "y"));
  EXPECT_THAT(made.values, IsEmpty());
}

TEST_F(ExampleVectorTest, WhatTheFilterHidesIsMissing) {
  Start(Metric::kDot);
  Put(1, "a", {{1, 1}});
  Put(2, "b", {{1, 1}});
  const ExampleVector made = VectorOfExamples(
      *index_, {.positive = {"a", "b"}}, [](int64_t row) { return row != 2; });
  EXPECT_THAT(made.missing, ElementsAre("b"));
}

}  // namespace
}  // namespace engram::search
