#include "services/storage/row_hints.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace engram::storage {
namespace {

TEST(RowHintsTest, FindsWhatWasNotedLast) {
  RowHints hints;
  EXPECT_EQ(hints.Find({"a", 1, "x"}), 0);
  hints.Note({"a", 1, "x"}, 7);
  EXPECT_EQ(hints.Find({"a", 1, "x"}), 7);
  hints.Note({"a", 1, "x"}, 8);
  EXPECT_EQ(hints.Find({"a", 1, "x"}), 8);
  // Each part of the key counts.
  EXPECT_EQ(hints.Find({"b", 1, "x"}), 0);
  EXPECT_EQ(hints.Find({"a", 2, "x"}), 0);
  EXPECT_EQ(hints.Find({"a", 1, "y"}), 0);
}

TEST(RowHintsTest, ARowThatDoesNotFitIsNotNoted) {
  RowHints hints;
  const int64_t largest = (int64_t{1} << 48) - 1;
  hints.Note({"a", 1, "x"}, largest);
  hints.Note({"a", 1, "x"}, largest + 1);
  EXPECT_EQ(hints.Find({"a", 1, "x"}), largest);
}

TEST(RowHintsTest, KeepsAHundredThousandAndTheNewestOfMore) {
  constexpr int kMany = 500'000;
  RowHints hints;
  const auto count = [&](int first, int last) {
    int found = 0;
    for (int row = first; row <= last; ++row) {
      found += hints.Find({"a", 1, absl::StrCat(row)}) == row ? 1 : 0;
    }
    return found;
  };
  for (int row = 1; row <= kMany; ++row) {
    hints.Note({"a", 1, absl::StrCat(row)}, row);
    if (row == 100'000) {
      EXPECT_GT(count(1, row), 99'000);
    }
  }
  EXPECT_EQ(count(kMany - 10, kMany), 11);
  EXPECT_LT(count(1, 100'000), 50'000);
}

TEST(RowHintsTest, ThreadsShareThem) {
  RowHints hints;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&hints] {
      for (int i = 0; i < 20'000; ++i) {
        const std::string id = absl::StrCat(i % 100);
        hints.Note({"a", 1, id}, i % 100 + 1);
        const int64_t row = hints.Find({"a", 1, id});
        EXPECT_TRUE(row == 0 || row == i % 100 + 1) << row;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace engram::storage
