#include "services/search/row_array.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>

namespace engram::search {
namespace {

// Whatever is done to it, it is as a map is.
TEST(RowArrayTest, ItIsAsItsModel) {
  std::mt19937_64 random(7);
  std::map<int64_t, uint32_t> model;
  RowArray<uint32_t> array;
  for (int step = 0; step < 30'000; ++step) {
    // Near each other, and at times anywhere.
    const auto row = static_cast<int64_t>(random() % 10 > 0 ? random() % 500
                                                            : random() >> 13);
    if (random() % 2 == 0) {
      const auto value = static_cast<uint32_t>(1 + random() % 1000);
      array.Set(row, value);
      model[row] = value;
    } else {
      array.Erase(row);
      model.erase(row);
    }
    ASSERT_EQ(array.size(), static_cast<int64_t>(model.size()));
  }
  for (int64_t row = 0; row < 600; ++row) {
    const auto found = model.find(row);
    EXPECT_EQ(array.Get(row), found == model.end() ? 0 : found->second);
  }
  for (const auto& [row, value] : model) {
    EXPECT_EQ(array.Get(row), value);
    const uint32_t place = array.PlaceOf(row);
    EXPECT_EQ(array.RowAt(place), row);
    EXPECT_EQ(array.At(place), value);
  }
  array.ForEach([](int64_t, uint32_t& value) { value += 1; });
  std::map<int64_t, uint32_t> visited;
  static_cast<const RowArray<uint32_t>&>(array).ForEach(
      [&](int64_t row, uint32_t value) { visited[row] = value - 1; });
  EXPECT_EQ(visited, model);
}

TEST(RowArrayTest, DenseRowsCostLittleMoreThanTheirValues) {
  RowArray<uint64_t> array;
  for (int64_t row = 0; row < (1 << 20); ++row) array.Set(row, 7);
  EXPECT_LT(array.memory_bytes(), (1 << 20) * 10);
}

TEST(RowArrayTest, PagesOfRowsThatAreGoneAreUsedAgain) {
  RowArray<uint64_t> array;
  int64_t before = 0;
  for (int round = 0; round < 10; ++round) {
    const int64_t first = round * 100'000;
    for (int64_t row = first; row < first + 10'000; ++row) array.Set(row, 7);
    for (int64_t row = first; row < first + 10'000; ++row) array.Erase(row);
    if (round == 0) before = array.memory_bytes();
  }
  EXPECT_EQ(array.size(), 0);
  EXPECT_LE(array.memory_bytes(), before + before / 2);
}

}  // namespace
}  // namespace engram::search
