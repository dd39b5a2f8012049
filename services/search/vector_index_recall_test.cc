// A VectorIndex knows how much its searches find: measured when its graph is
// built, and by live searches from then on.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "services/search/testing/recall_fixture.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

using testing::Always;
using testing::kRecords;
using testing::VectorIndexRecallTest;

TEST_F(VectorIndexRecallTest, AScanMissesNothing) {
  Put(1, Near());
  EXPECT_TRUE(index_.Recall().is_exact);
  EXPECT_TRUE(index_.Recall().calibration.empty());
  EXPECT_EQ(index_.Recall().width, 0);
  index_.Search(Near(), 10, AnyRow);
  index_.Optimize([] { return false; });
  EXPECT_EQ(index_.Recall().samples, 0);
}

TEST_F(VectorIndexRecallTest, AGraphIsMeasuredWhenItIsBuilt) {
  Build();
  const IndexRecall recall = index_.Recall();
  EXPECT_FALSE(recall.is_exact);
  ASSERT_GE(recall.calibration.size(), 5);
  EXPECT_LT(recall.calibration[0].of_10, recall.calibration[4].of_10);
  EXPECT_GT(recall.calibration.back().of_10, 0.99);
  EXPECT_GT(recall.calibration.back().of_100, 0.9);
  EXPECT_GE(recall.width, 10);
  EXPECT_EQ(recall.samples, 0);
}

TEST_F(VectorIndexRecallTest, LiveSearchesAreRunAgain) {
  Build();
  for (int i = 0; i < 40; ++i) {
    index_.Search(Near(), 10, AnyRow);
    index_.Optimize(Always);
  }
  const IndexRecall recall = index_.Recall();
  EXPECT_EQ(recall.samples, 40);
  EXPECT_EQ(recall.all_samples, 40);
  EXPECT_GT(recall.recall, 0.9);
}

TEST_F(VectorIndexRecallTest, WhatChangedSinceIsNoMiss) {
  Build();
  for (int i = 0; i < 20; ++i) {
    const std::vector<float> query = Near();
    const auto found =
        index_.Search(query, 10, AnyRow, {.target_recall = 0.99}).candidates;
    ASSERT_EQ(found.size(), 10);
    // Some while it is kept, some after it was compared with them all.
    int asked = 0;
    const auto change = [&](int from) {
      for (int place = from; place < from + 3; ++place) {
        Delete(std::stoll(found[place].id.substr(2)));
      }
      Put(kRecords + 2 * i + from / 3, query);
    };
    change(0);
    index_.Optimize([&] {
      if (++asked == 2) change(3);
      return true;
    });
    ASSERT_EQ(asked, 2);
  }
  EXPECT_EQ(index_.Recall().samples, 20);
  EXPECT_GT(index_.Recall().recall, 0.95);
}

// Else nothing would ever say that walks are enough.
TEST_F(VectorIndexRecallTest, SearchesThatBecameScansBecomeWalksAgain) {
  // A fifth of the records differ by less than codes do: of those nearest to
  // one of them a walk finds few.
  const std::vector<float> center = Near();
  const auto alike = [&] {
    std::vector<float> values = center;
    for (float& value : values) value += 1e-6f * normal_(random_);
    return values;
  };
  for (int row = 0; row < kRecords; ++row) {
    Put(row, row % 5 == 0 ? alike() : Near());
  }
  index_.Optimize(Always);
  const auto is_walk = [&](const std::vector<float>& query) {
    const SearchCost cost = index_.Search(query, 10, AnyRow).cost;
    index_.Optimize(Always);
    return cost.width > 0;
  };
  ASSERT_TRUE(is_walk(alike()));
  int walks = 0;
  while (walks < 2000 && is_walk(alike())) ++walks;
  ASSERT_LT(walks, 2000);
  int scans = 0;
  while (scans < 2000 && !is_walk(Near())) ++scans;
  EXPECT_LT(scans, 2000);
}

// And not with what is made up from its vectors.
TEST_F(VectorIndexRecallTest, AnotherGraphIsMeasuredWithWhatWasAsked) {
  Build();
  const int made_up = index_.Recall().width;
  for (int i = 0; i < 200; ++i) {
    index_.Search(Anywhere(), 10, AnyRow);
    index_.Optimize(Always);
  }
  const int asked = index_.Recall().width;
  ASSERT_GT(asked, 2 * made_up);
  for (int row = kRecords; row < 2 * kRecords; ++row) Put(row, Near());
  index_.Optimize(Always);
  ASSERT_EQ(index_.Stats().graph_vectors, 2 * kRecords);
  EXPECT_GT(index_.Recall().width, asked / 2);
}

TEST_F(VectorIndexRecallTest, SamplesAreTakenBesideSearchesAndChanges) {
  Build();
  std::atomic<bool> done = false;
  const std::vector<float> query = Near();
  std::thread searcher([&] {
    while (!done) index_.Search(query, 10, AnyRow, {.target_recall = 0.99});
  });
  std::thread changer([&] {
    for (int step = 0; step < 200; ++step) {
      step % 2 == 0 ? Delete(step) : Put(kRecords + step, Near());
    }
  });
  while (index_.Recall().samples < 10) index_.Optimize(Always);
  changer.join();
  done = true;
  searcher.join();
  // Of one query, over and over, so of no one number.
  EXPECT_GT(index_.Recall().recall, 0.5);
}

}  // namespace
}  // namespace engram::search
