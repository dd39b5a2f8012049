#include "services/search/row_set.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace engram::search {
namespace {

std::vector<int64_t> RowsOf(const RowSet& set) {
  std::vector<int64_t> rows;
  set.ForEach([&](int64_t row) { rows.push_back(row); });
  return rows;
}

TEST(RowSetTest, HasWhatWasAdded) {
  RowSet rows({7, 9, 64, 1'000'000'000'000});
  // From any row on: two words.
  rows.Add(126, 0b1011);
  EXPECT_EQ(RowsOf(rows),
            (std::vector<int64_t>{7, 9, 64, 1'000'000'000'000, 126, 127, 129}));
}

TEST(RowSetTest, RowsNextToEachOtherShareAWord) {
  RowSet rows;
  for (int64_t row = 3; row < 640; row += 64) rows.Add(row, ~uint64_t{0});
  EXPECT_EQ(rows.words().size(), 11);
  EXPECT_EQ(RowsOf(rows).size(), 640);
}

TEST(RowSetTest, TellsWhetherItHasMore) {
  RowSet rows({1, 2, 3, 100});
  EXPECT_TRUE(rows.HasMoreThan(1));
  EXPECT_TRUE(rows.HasMoreThan(3));
  EXPECT_FALSE(rows.HasMoreThan(4));
  EXPECT_FALSE(RowSet().HasMoreThan(0));
  EXPECT_EQ(rows.EstimatedSize(), 4);
  EXPECT_EQ(RowSet().EstimatedSize(), 0);
}

}  // namespace
}  // namespace engram::search
