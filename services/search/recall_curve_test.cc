#include "services/search/recall_curve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::StatusIs;

RecallCurve Curve() {
  return RecallCurve::Create({{.width = 16, .of_10 = 0.8, .of_100 = 0.15},
                              {.width = 64, .of_10 = 0.9, .of_100 = 0.6},
                              {.width = 256, .of_10 = 0.98, .of_100 = 0.94},
                              {.width = 512, .of_10 = 0.97, .of_100 = 0.96}},
                             /*queries=*/32)
      .value();
}

TEST(RecallCurveTest, AMeasuredRecallIsHadByItsWidth) {
  EXPECT_EQ(Curve().WidthFor(0.8f, 10), 16);
  EXPECT_EQ(Curve().WidthFor(0.9f, 10), 64);
  EXPECT_EQ(Curve().WidthFor(0.94f, 100), 256);
  // Nothing narrower was measured.
  EXPECT_EQ(Curve().WidthFor(0.5, 10), 16);
}

TEST(RecallCurveTest, BetweenTwoItIsInterpolated) {
  // Halfway: twice the one and half of the other.
  EXPECT_NEAR(Curve().WidthFor(0.85, 10), 32, 1);
  EXPECT_NEAR(Curve().WidthFor(0.94, 10), 128, 1);
}

TEST(RecallCurveTest, PastTheLastItIsAsMuchWiderAsFewerMayBeMissed) {
  EXPECT_NEAR(Curve().WidthFor(0.99, 10), 1024, 2);
  EXPECT_NEAR(Curve().WidthFor(0.98, 100), 1024, 2);
  // Up to a point.
  EXPECT_LE(Curve().WidthFor(0.999999, 10), 16 * 512);
  EXPECT_GT(Curve().WidthFor(1, 10), 1 << 20);
}

TEST(RecallCurveTest, NeverFallsAsMoreIsWanted) {
  for (const RecallCurve& curve : {Curve(), RecallCurve()}) {
    for (const double limit : {1, 5, 10, 20, 60, 100, 150, 1000, 100'000}) {
      int before = 0;
      for (double target = 0.5; target < 0.9999; target += 0.003) {
        const int width = curve.WidthFor(target, limit);
        EXPECT_GE(width, before) << target << " of " << limit;
        EXPECT_GE(width, limit);
        EXPECT_GE(width, curve.WidthFor(target, limit * 0.9)) << target;
        before = width;
      }
    }
  }
}

TEST(RecallCurveTest, ManyTakeAsMuchMoreAsTheyAre) {
  EXPECT_EQ(Curve().WidthFor(0.9f, 1), Curve().WidthFor(0.9f, 10));
  const int of_100 = Curve().WidthFor(0.94f, 100);
  EXPECT_EQ(Curve().WidthFor(0.94f, 1000), 10 * of_100);
  // Between the nearest 10, by 128, and the nearest 100, by 256.
  EXPECT_NEAR(Curve().WidthFor(0.94f, 31.6), 181, 2);
}

TEST(RecallCurveTest, ItIsTheAverageOfWhatItLearned) {
  RecallCurve curve({16, 64});
  // As before it is measured.
  EXPECT_EQ(curve.WidthFor(0.95, 10), RecallCurve().WidthFor(0.95, 10));
  curve.Learn({{.of_10 = 0.5, .of_100 = 0.25}, {.of_10 = 1, .of_100 = 0.5}});
  curve.Learn({{.of_10 = 1, .of_100 = 0.75}, {.of_10 = 1, .of_100 = 1}});
  EXPECT_EQ(curve.queries(), 2);
  ASSERT_EQ(curve.points().size(), 2);
  EXPECT_EQ(curve.points()[0],
            (RecallPoint{.width = 16, .of_10 = 0.75, .of_100 = 0.5}));
  EXPECT_EQ(curve.points()[1],
            (RecallPoint{.width = 64, .of_10 = 1, .of_100 = 0.75}));
}

TEST(RecallCurveTest, WhatItLearnedLongAgoFades) {
  RecallCurve curve({16});
  const auto learn = [&](int queries, float recall) {
    const RecallPoint found = {.of_10 = recall, .of_100 = recall};
    for (int i = 0; i < queries; ++i) curve.Learn({found});
  };
  learn(RecallCurve::kMaxQueries, 1);
  learn(RecallCurve::kMaxQueries, 0);
  // (1 - 1 / 128) ^ 128.
  EXPECT_NEAR(curve.points()[0].of_10, 0.366, 0.01);
  EXPECT_EQ(curve.queries(), RecallCurve::kMaxQueries);
  // And at once, where it is to count for less.
  curve.CountAs(1);
  learn(1, 0.5);
  EXPECT_NEAR(curve.points()[0].of_10, (0.366 + 0.5) / 2, 0.01);
}

TEST(RecallCurveTest, WiderByChanceAndWorseCountsAsNoWorse) {
  EXPECT_FLOAT_EQ(Curve().points()[3].of_10, 0.98f);
}

TEST(RecallCurveTest, WhatIsNoMeasurementIsRefused) {
  const auto refused = [](std::vector<RecallPoint> points) {
    EXPECT_THAT(RecallCurve::Create(std::move(points), 32),
                StatusIs(absl::StatusCode::kInvalidArgument));
  };
  refused({{.width = 0}});
  refused({{.width = 16}, {.width = 16}});
  refused({{.width = 16, .of_10 = 1.5}});
  refused({{.width = 16, .of_10 = NAN}});
  refused({{.width = 16, .of_100 = -0.5}});
  for (const int queries : {0, RecallCurve::kMaxQueries + 1}) {
    EXPECT_THAT(RecallCurve::Create({{.width = 16}}, queries),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace engram::search
