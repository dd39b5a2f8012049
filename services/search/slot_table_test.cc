#include "services/search/slot_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "absl/types/span.h"

namespace engram::search {
namespace {

int64_t KeyOf(int64_t row, int chunk = 0) { return row * kMaxChunks + chunk; }

// In order; what each block says of itself is held to.
std::vector<uint32_t> SlotsOf(const SlotTable& table, const RowSet& rows) {
  std::vector<uint32_t> all;
  const SlotTable::Slots slots = table.SlotsOf(rows);
  slots.ForEachBlock([&](absl::Span<const uint32_t> block, uint32_t end) {
    EXPECT_LE(block.size(), SlotTable::Slots::kMaxBlock);
    for (const uint32_t slot : block) {
      EXPECT_LT(slot, end);
      all.push_back(slot);
    }
  });
  std::sort(all.begin(), all.end());
  EXPECT_FALSE(slots.HasMoreThan(1'000'000));
  if (!all.empty()) {
    EXPECT_TRUE(slots.HasMoreThan(static_cast<int64_t>(all.size()) - 1));
    EXPECT_GT(slots.EstimatedSize(), 0);
  }
  return all;
}

// Whatever is done to it, it is as a map is.
TEST(SlotTableTest, ItIsAsItsModel) {
  std::mt19937_64 random(7);
  std::map<int64_t, uint32_t> model;
  SlotTable table;
  const auto set = [&](int64_t key, uint32_t slot) {
    table.Set(key, slot);
    model[key] = slot;
  };
  // As they come first: slots follow rows.
  for (int64_t row = 100; row < 1000; ++row) set(KeyOf(row), row - 100);
  for (int step = 0; step < 3000; ++step) {
    // Near each other, and at times anywhere; at times a second chunk.
    const auto row = static_cast<int64_t>(random() % 10 > 0 ? random() % 2000
                                                            : random() >> 30);
    const int64_t key = KeyOf(row, random() % 20 == 0 ? 1 : 0);
    if (random() % 3 == 0) {
      set(key, static_cast<uint32_t>(random() % 5000));
    } else {
      table.Erase(key);
      model.erase(key);
    }
    if (step % 300 != 0) continue;
    for (int64_t each = 0; each < 2000; ++each) {
      const auto found = model.find(KeyOf(each));
      ASSERT_EQ(table.Find(KeyOf(each)),
                found == model.end() ? std::nullopt
                                     : std::optional<uint32_t>(found->second));
    }
    RowSet rows;
    std::vector<uint32_t> expected;
    for (int64_t each = 0; each < 2200; each += 1 + random() % 4) {
      rows.Add(each, 1);
      for (const int chunk : {0, 1}) {
        const auto found = model.find(KeyOf(each, chunk));
        if (found != model.end()) expected.push_back(found->second);
      }
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(SlotsOf(table, rows), expected);
  }
}

TEST(SlotTableTest, RowsAreFoundWhereverTheirPagesLie) {
  SlotTable table;
  for (const int64_t row : {0, 140, 80, 500, 5000}) table.Set(KeyOf(row), row);
  // The page of 80 is where that of 140 was, and its own place is free.
  table.Erase(KeyOf(140));
  table.Erase(KeyOf(80));
  table.Set(KeyOf(81), 81);
  EXPECT_EQ(SlotsOf(table, RowSet({5000, 0, 81, 80, 500, 140})),
            (std::vector<uint32_t>{0, 81, 500, 5000}));
}

TEST(SlotTableTest, SlotsThatFollowTheirRowsCostNextToNothing) {
  constexpr int64_t kRows = 1 << 20;
  SlotTable table;
  for (int64_t row = 0; row < kRows; ++row) table.Set(KeyOf(row + 9), row);
  EXPECT_LT(table.memory_bytes(), kRows * 2);
  for (int64_t row = 0; row < kRows; ++row) table.Set(KeyOf(row + 9), row ^ 1);
  EXPECT_GT(table.memory_bytes(), kRows * 4);
  EXPECT_LT(table.memory_bytes(), kRows * 6);
}

TEST(SlotTableTest, PagesOfRowsThatAreGoneAreUsedAgain) {
  SlotTable table;
  int64_t before = 0;
  for (int round = 0; round < 10; ++round) {
    const int64_t first = round * 100'000;
    for (int64_t row = first; row < first + 10'000; ++row) {
      table.Set(KeyOf(row), static_cast<uint32_t>(row ^ 1));
    }
    for (int64_t row = first; row < first + 10'000; ++row) {
      table.Erase(KeyOf(row));
    }
    if (round == 0) before = table.memory_bytes();
  }
  EXPECT_LE(table.memory_bytes(), before + before / 2);
}

}  // namespace
}  // namespace engram::search
