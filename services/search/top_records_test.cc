#include "services/search/top_records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace engram::search {
namespace {

// Rows and chunks, best first.
using Found = std::vector<std::pair<int64_t, int>>;

Found FoundIn(const TopRecords& top) {
  Found found;
  for (const TopRecords::Entry& entry : top.Sorted()) {
    found.emplace_back(entry.row, entry.chunk);
  }
  return found;
}

// Few scores, so that many are equal; few rows, which come again and again.
TEST(TopRecordsTest, AreTheBestOfAllThatWereOffered) {
  std::mt19937_64 random(3);
  std::vector<std::string> ids;
  for (int row = 0; row < 300; ++row) ids.push_back(absl::StrCat(row));
  for (const int limit : {1, 10, 64, 65, 200, 1000}) {
    TopRecords top(limit);
    // By row: what is best first in the order of the tuple.
    std::map<int64_t, std::tuple<float, std::string, int64_t, int>> best;
    for (int i = 0; i < 3000; ++i) {
      const auto row = static_cast<int64_t>(random() % ids.size());
      const auto score = static_cast<float>(random() % 50);
      const auto chunk = static_cast<int>(random() % 3);
      top.Offer(score, row, chunk, ids[row]);
      const auto offered = std::make_tuple(-score, ids[row], row, chunk);
      const auto [known, added] = best.try_emplace(row, offered);
      if (!added) known->second = std::min(known->second, offered);
    }
    std::vector<std::tuple<float, std::string, int64_t, int>> sorted;
    for (const auto& [row, one] : best) sorted.push_back(one);
    std::sort(sorted.begin(), sorted.end());
    if (sorted.size() > limit) sorted.resize(limit);
    Found expected;
    for (const auto& [score, id, row, chunk] : sorted) {
      expected.emplace_back(row, chunk);
    }
    EXPECT_EQ(FoundIn(top), expected) << limit;
    EXPECT_EQ(top.size(), expected.size());
  }
}

TEST(TopRecordsTest, WhatIsBelowTheThresholdChangesNothing) {
  TopRecords top(2);
  top.Offer(1, 1, 0, "a");
  EXPECT_EQ(top.threshold(), -std::numeric_limits<float>::infinity());
  top.Offer(std::nanf(""), 2, 0, "b");
  EXPECT_EQ(FoundIn(top), (Found{{1, 0}, {2, 0}}));
  top.Offer(3, 3, 0, "c");
  EXPECT_EQ(top.threshold(), 1);
  top.Offer(2, 1, 1, "a");
  EXPECT_EQ(top.threshold(), 2);
  EXPECT_EQ(FoundIn(top), (Found{{3, 0}, {1, 1}}));
}

}  // namespace
}  // namespace engram::search
