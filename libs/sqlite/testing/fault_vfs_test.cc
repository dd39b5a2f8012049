#include "libs/sqlite/testing/fault_vfs.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::testing {
namespace {

using sqlite::Access;
using sqlite::Connection;
using sqlite::Durability;

// A file with one table of one column.
class FaultVfsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> Open(Durability durability = Durability::kFull) {
    auto connection = Connection::Open(directory_.File("a.db"),
                                       Access::kReadWrite, durability);
    EXPECT_OK(connection);
    EXPECT_OK((*connection)->Execute("CREATE TABLE IF NOT EXISTS t (a)"));
    return *std::move(connection);
  }

  static absl::Status Insert(Connection& connection) {
    return connection.Execute("INSERT INTO t VALUES (randomblob(3000))");
  }
  static int64_t Count(Connection& connection) {
    return connection.QueryInt("SELECT count(*) FROM t").value();
  }

  TempDirectory directory_;
  FaultVfs disk_;
  std::mt19937_64 random_{1};
};

TEST_F(FaultVfsTest, AFullDiskUndoesTheTransactionAndWorksAgainWithRoom) {
  auto connection = Open();
  ASSERT_OK(Insert(*connection));
  disk_.LimitRoom(5000);
  EXPECT_THAT(Insert(*connection),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(Count(*connection), 1);
  disk_.Heal();
  ASSERT_OK(Insert(*connection));
  EXPECT_EQ(Count(*connection), 2);
}

TEST_F(FaultVfsTest, SyncsTakeAsLongAsASlowDisks) {
  auto connection = Open();
  disk_.SlowSyncs(absl::Milliseconds(20));
  const int64_t syncs = disk_.syncs();
  const absl::Time start = absl::Now();
  ASSERT_OK(Insert(*connection));
  EXPECT_EQ(disk_.syncs(), syncs + 1);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(20));
}

TEST_F(FaultVfsTest, ACommitThatReturnedSurvivesAPowerLoss) {
  disk_.KeepUnsyncedApart();
  auto connection = Open();
  for (int rows = 1; rows <= 100; ++rows) {
    ASSERT_OK(Insert(*connection));
    // Before closing syncs once more.
    disk_.LosePowerAfter(1);
    connection.reset();
    disk_.RestorePower(random_);
    connection = Open();
    ASSERT_EQ(Count(*connection), rows);
  }
}

// The test of the test: durability that was not asked for is seen to be absent.
TEST_F(FaultVfsTest, WithoutASyncCommitsAreLost) {
  disk_.KeepUnsyncedApart();
  auto connection = Open();
  connection.reset();
  int lost = 0;
  for (int i = 0; i < 100; ++i) {
    connection = Open(Durability::kNormal);
    const int64_t before = Count(*connection);
    ASSERT_OK(Insert(*connection));
    disk_.LosePowerAfter(1);
    connection.reset();
    disk_.RestorePower(random_);
    connection = Open();
    if (Count(*connection) == before) ++lost;
    connection.reset();
  }
  EXPECT_GT(lost, 10);
}

TEST_F(FaultVfsTest, NothingWorksWithoutPower) {
  disk_.KeepUnsyncedApart();
  auto connection = Open();
  disk_.LosePowerAfter(1);
  EXPECT_FALSE(Insert(*connection).ok());
  EXPECT_TRUE(disk_.power_is_lost());
  EXPECT_FALSE(Insert(*connection).ok());
  connection.reset();
  disk_.RestorePower(random_);
  connection = Open();
  EXPECT_OK(Insert(*connection));
}

}  // namespace
}  // namespace engram::testing
