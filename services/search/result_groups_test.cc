#include "services/search/result_groups.h"

#include <gtest/gtest.h>

namespace engram::search {
namespace {

using schema::FieldValue;

TEST(ResultGroupsTest, AGroupHasSoManyPlaces) {
  ResultGroups groups(2);
  for (int row = 1; row <= 4; ++row) {
    groups.Tell(row, row == 4 ? FieldValue("b") : FieldValue("a"));
  }
  EXPECT_TRUE(groups.Take(1));
  EXPECT_FALSE(groups.is_some_full());
  EXPECT_TRUE(groups.Take(2));
  EXPECT_TRUE(groups.is_some_full());
  EXPECT_TRUE(groups.IsFull(FieldValue("a")));
  EXPECT_FALSE(groups.Take(3));
  EXPECT_TRUE(groups.Take(4));
  EXPECT_FALSE(groups.IsFull(FieldValue("b")));
}

TEST(ResultGroupsTest, APlaceThatIsGivenBackIsFree) {
  ResultGroups groups(1);
  groups.Tell(1, FieldValue(int64_t{7}));
  groups.Tell(2, FieldValue(int64_t{7}));
  EXPECT_TRUE(groups.Take(1));
  groups.GiveBack(1);
  EXPECT_FALSE(groups.is_some_full());
  EXPECT_TRUE(groups.Take(2));
  EXPECT_FALSE(groups.Take(1));
}

TEST(ResultGroupsTest, WithoutAValueEachIsItsOwnGroup) {
  ResultGroups groups(1);
  for (int row = 1; row <= 3; ++row) {
    groups.Tell(row, FieldValue());
    EXPECT_TRUE(groups.Take(row));
  }
  EXPECT_FALSE(groups.is_some_full());
  EXPECT_FALSE(groups.IsFull(FieldValue()));
}

// Else a place would be given back to a group that it was not taken in.
TEST(ResultGroupsTest, AValueIsThatOfTheFirstTime) {
  ResultGroups groups(1);
  groups.Tell(1, FieldValue("a"));
  EXPECT_TRUE(groups.Take(1));
  groups.Tell(1, FieldValue("b"));
  groups.GiveBack(1);
  EXPECT_FALSE(groups.IsFull(FieldValue("a")));
}

}  // namespace
}  // namespace engram::search
