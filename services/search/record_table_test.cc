#include "services/search/record_table.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace engram::search {
namespace {

TEST(RecordTableTest, ARowKeepsItsIdWhileItsChunksChange) {
  RecordTable table;
  table.Put(7, "seven", 1);
  table.Put(7, "seven", 3);
  EXPECT_EQ(table.IdOf(7), "seven");
  EXPECT_EQ(table.ChunksOf(7), 3);
  table.Erase(7);
  EXPECT_EQ(table.ChunksOf(7), 0);
  EXPECT_EQ(table.size(), 0);
}

TEST(RecordTableTest, IdsSurviveTheRewriteThatFreesThoseOfErasedRecords) {
  RecordTable table;
  const auto id_of = [](int row) {
    return absl::StrCat(std::string(row % RecordTable::kMaxIdBytes, 'x'), row);
  };
  for (int row = 0; row < 5000; ++row) table.Put(row, id_of(row), 1);
  const int64_t before = table.memory_bytes();
  for (int row = 0; row < 5000; ++row) {
    if (row % 10 != 0) table.Erase(row);
  }
  EXPECT_LT(table.memory_bytes(), before / 2);
  for (int row = 0; row < 5000; row += 10)
    EXPECT_EQ(table.IdOf(row), id_of(row));
}

}  // namespace
}  // namespace engram::search
