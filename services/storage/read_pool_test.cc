#include "services/storage/read_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;

class ReadPoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto writer = sqlite::Connection::Open(path_, sqlite::Access::kReadWrite);
    ASSERT_OK(writer);
    writer_ = *std::move(writer);
    ASSERT_OK(
        writer_->Execute("CREATE TABLE _schema_migrations (version INTEGER);"
                         "INSERT INTO _schema_migrations VALUES (1);"
                         "CREATE TABLE t (x INTEGER)"));
    pool_.emplace(path_, sqlite::Access::kReadOnly, /*max_idle=*/2);
  }

  void Insert() { ASSERT_OK(writer_->Execute("INSERT INTO t VALUES (1)")); }

  // Rows that a reader sees.
  int64_t Rows() {
    auto reader = pool_->Acquire();
    EXPECT_OK(reader);
    const auto rows = (*reader)->QueryInt("SELECT count(*) FROM t");
    EXPECT_OK(rows);
    return rows.value_or(-1);
  }

  // Whether no transaction is open: a log that is read is not begun anew.
  bool LogIsFree() {
    return writer_->CheckpointRestart(absl::ZeroDuration()).ok();
  }

  engram::testing::TempDirectory directory_;
  const std::string path_ = directory_.path() + "/pool.db";
  std::unique_ptr<sqlite::Connection> writer_;
  std::optional<ReadPool> pool_;
};

TEST_F(ReadPoolTest, ATransactionIsKeptUntilACommitIsToldOf) {
  Insert();
  EXPECT_EQ(Rows(), 1);
  Insert();
  // So it is the same transaction.
  EXPECT_EQ(Rows(), 1);
  pool_->NoteCommit();
  EXPECT_EQ(Rows(), 2);
}

TEST_F(ReadPoolTest, ACommitEndsTransactionsThatNobodyUses) {
  Insert();
  Rows();
  EXPECT_FALSE(LogIsFree());
  pool_->NoteCommit();
  EXPECT_TRUE(LogIsFree());
}

TEST_F(ReadPoolTest, ATransactionInUseEndsWithItsUse) {
  Insert();
  {
    auto reader = pool_->Acquire();
    ASSERT_OK(reader);
    pool_->NoteCommit();
    EXPECT_FALSE(LogIsFree());
  }
  EXPECT_TRUE(LogIsFree());
}

TEST_F(ReadPoolTest, NoneIsKeptWhereTheLogIsWaitedFor) {
  Insert();
  pool_->set_keeps(false);
  EXPECT_EQ(Rows(), 1);
  EXPECT_TRUE(LogIsFree());
}

TEST_F(ReadPoolTest, ATransactionThatEndedByItselfIsBegunAgain) {
  Insert();
  {
    auto reader = pool_->Acquire();
    ASSERT_OK(reader);
    ASSERT_OK((*reader)->Execute("ROLLBACK"));
  }
  Insert();
  EXPECT_EQ(Rows(), 2);
}

TEST_F(ReadPoolTest, TheSchemaVersionIsThatOfTheTransaction) {
  const auto version = [&] {
    auto reader = pool_->Acquire();
    EXPECT_OK(reader);
    return reader->schema_version();
  };
  EXPECT_EQ(version(), 1);
  ASSERT_OK(writer_->Execute("INSERT INTO _schema_migrations VALUES (2)"));
  EXPECT_EQ(version(), 1);
  pool_->NoteCommit();
  EXPECT_EQ(version(), 2);
}

TEST_F(ReadPoolTest, ReadersAtOnceHaveConnectionsOfTheirOwn) {
  auto one = pool_->Acquire();
  auto other = pool_->Acquire();
  ASSERT_OK(one);
  ASSERT_OK(other);
  EXPECT_NE((*one)->handle(), (*other)->handle());
}

TEST_F(ReadPoolTest, AClosedPoolHasNoReaders) {
  {
    auto reader = pool_->Acquire();
    ASSERT_OK(reader);
    pool_->Close();
    // It reads on to its end.
    EXPECT_OK((*reader)->QueryInt("SELECT count(*) FROM t"));
  }
  EXPECT_THAT(pool_->Acquire(),
              StatusIs(absl::StatusCode::kUnavailable, "closing"));
  EXPECT_TRUE(LogIsFree());
}

}  // namespace
}  // namespace engram::storage
