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

TEST(RecordTableTest, ARecordIsFoundByItsId) {
  RecordTable table;
  for (int row = 0; row < 1000; ++row)
    table.Put(row, absl::StrCat("r", row), 1);
  EXPECT_EQ(table.RowOf("r7"), 7);
  EXPECT_EQ(table.RowOf("r1000"), std::nullopt);
  table.Erase(7);
  EXPECT_EQ(table.RowOf("r7"), std::nullopt);
  EXPECT_EQ(table.RowOf("r999"), 999);
  table.Put(1000, "r7", 1);
  EXPECT_EQ(table.RowOf("r7"), 1000);
}

// As the feed delivers it twice: a record, its end, and another of its id.
TEST(RecordTableTest, TheRecordThatIsThereIsFoundAfterChangesAreAppliedAgain) {
  RecordTable table;
  table.Put(2, "a", 1);
  table.Put(1, "a", 1);
  EXPECT_EQ(table.RowOf("a"), 1);
  table.Erase(1);
  table.Put(2, "a", 1);
  EXPECT_EQ(table.RowOf("a"), 2);
}

}  // namespace
}  // namespace engram::search
