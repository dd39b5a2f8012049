#include "libs/sqlite/migrator.h"

#include <gtest/gtest.h>

#include <vector>

#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::sqlite {
namespace {

using ::engram::testing::StatusIs;

const Migration kFirst = {1, "0001_a.sql", "CREATE TABLE a (x INTEGER)", 1};
const Migration kSecond = {2, "0002_b.sql", "CREATE TABLE b (x INTEGER)", 2};
const Migration kHarmlessSecond = {2, "0002_b.sql",
                                   "CREATE TABLE b (x INTEGER)", 1};

class MigratorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        db_, Connection::Open(directory_.File("a.db"), Access::kReadWrite));
  }

  absl::Status MigrateTo(const std::vector<Migration>& migrations) {
    return Migrate(*db_, migrations, "engram 1.2.3");
  }
  int64_t Tables() {
    return *db_->QueryInt(
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b')");
  }

  testing::TempDirectory directory_;
  std::unique_ptr<Connection> db_;
};

TEST_F(MigratorTest, AppliesEachMigrationOnce) {
  ASSERT_OK(MigrateTo({kFirst}));
  EXPECT_EQ(Tables(), 1);
  ASSERT_OK(MigrateTo({kFirst, kSecond}));
  ASSERT_OK(MigrateTo({kFirst, kSecond}));
  EXPECT_EQ(Tables(), 2);
}

TEST_F(MigratorTest, RefusesAChangedMigration) {
  ASSERT_OK(MigrateTo({kFirst}));
  Migration changed = kFirst;
  changed.sql = "CREATE TABLE a (y INTEGER)";
  EXPECT_THAT(MigrateTo({changed, kSecond}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "0001_a.sql was applied with checksum"));
  EXPECT_EQ(Tables(), 1);
}

TEST_F(MigratorTest, RefusesAFileThatNeedsANewerProgram) {
  ASSERT_OK(MigrateTo({kFirst, kSecond}));
  EXPECT_THAT(MigrateTo({kFirst}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "written by engram 1.2.3, which is newer"));
}

TEST_F(MigratorTest, OpensANewerFileThatOlderProgramsMayRead) {
  ASSERT_OK(MigrateTo({kFirst, kHarmlessSecond}));
  EXPECT_OK(MigrateTo({kFirst}));
}

TEST_F(MigratorTest, RefusesAFileThatMissesAMigration) {
  ASSERT_OK(MigrateTo({kFirst, kSecond}));
  ASSERT_OK(db_->Execute("DELETE FROM _migrations WHERE number = 1"));
  EXPECT_THAT(MigrateTo({kFirst, kSecond}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "migration 1 was never applied"));
}

TEST_F(MigratorTest, AFailedMigrationLeavesNothing) {
  const Migration broken = {2, "0002_b.sql",
                            "CREATE TABLE b (x INTEGER); SELEC", 2};
  EXPECT_THAT(MigrateTo({kFirst, broken}),
              StatusIs(absl::StatusCode::kInternal, "SELEC"));
  EXPECT_EQ(Tables(), 1);
  EXPECT_OK(MigrateTo({kFirst, kSecond}));
}

}  // namespace
}  // namespace engram::sqlite
