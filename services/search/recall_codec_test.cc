#include "services/search/recall_codec.h"

#include <gtest/gtest.h>

namespace engram::search {
namespace {

TEST(RecallCodecTest, TellsOfTheNearestTenAndOfTheSamples) {
  v1::GetIndexResponse response;
  EncodeRecall({.is_exact = false,
                .calibration = {{.width = 16, .of_10 = 0.5, .of_100 = 0.25},
                                {.width = 64, .of_10 = 0.75, .of_100 = 0.5}},
                .recall = 0.875,
                .samples = 1000,
                .all_samples = 5000,
                .width = 80},
               response);
  ASSERT_EQ(response.calibration_size(), 2);
  EXPECT_EQ(response.calibration(1).width(), 64);
  EXPECT_EQ(response.calibration(1).recall(), 0.75);
  EXPECT_EQ(response.measured_recall().recall(), 0.875);
  EXPECT_EQ(response.measured_recall().samples(), 1000);
  EXPECT_EQ(response.measured_recall().width(), 80);
}

TEST(RecallCodecTest, WhatWasNotMeasuredIsAbsent) {
  v1::GetIndexResponse response;
  EncodeRecall({.is_exact = false}, response);
  EXPECT_EQ(response.calibration_size(), 0);
  EXPECT_FALSE(response.has_measured_recall());
}

TEST(RecallCodecTest, ScansMissNothingWhateverAGraphMissedBefore) {
  v1::GetIndexResponse response;
  EncodeRecall({.is_exact = true, .recall = 0.875, .samples = 1000}, response);
  EXPECT_EQ(response.measured_recall().recall(), 1);
  EXPECT_EQ(response.measured_recall().samples(), 0);
}

}  // namespace
}  // namespace engram::search
