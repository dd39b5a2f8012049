#include "libs/sqlite/transaction.h"

#include <gtest/gtest.h>

#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::sqlite {
namespace {

using Kind = Transaction::Kind;

class TransactionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        db_, Connection::Open(directory_.File("a.db"), Access::kReadWrite));
    ASSERT_OK(db_->Execute("CREATE TABLE t (a INTEGER)"));
  }

  void Insert() { ASSERT_OK(db_->Execute("INSERT INTO t VALUES (1)")); }
  int64_t Count() { return *db_->QueryInt("SELECT count(*) FROM t"); }

  testing::TempDirectory directory_;
  std::unique_ptr<Connection> db_;
};

TEST_F(TransactionTest, KeepsWhatIsCommitted) {
  {
    ASSERT_OK_AND_ASSIGN(Transaction transaction,
                         Transaction::Begin(*db_, Kind::kWrite));
    Insert();
    ASSERT_OK(transaction.Commit());
  }
  EXPECT_FALSE(db_->in_transaction());
  EXPECT_EQ(Count(), 1);
}

TEST_F(TransactionTest, UndoesWhatIsNot) {
  {
    ASSERT_OK_AND_ASSIGN(Transaction transaction,
                         Transaction::Begin(*db_, Kind::kWrite));
    Insert();
  }
  EXPECT_FALSE(db_->in_transaction());
  EXPECT_EQ(Count(), 0);
}

TEST_F(TransactionTest, SavepointsAreKeptOrUndoneOneByOne) {
  ASSERT_OK_AND_ASSIGN(Transaction transaction,
                       Transaction::Begin(*db_, Kind::kWrite));
  {
    ASSERT_OK_AND_ASSIGN(Savepoint kept, Savepoint::Begin(*db_));
    Insert();
    ASSERT_OK(kept.Release());
  }
  {
    ASSERT_OK_AND_ASSIGN(Savepoint undone, Savepoint::Begin(*db_));
    Insert();
    Insert();
  }
  ASSERT_OK(transaction.Commit());
  EXPECT_EQ(Count(), 1);
}

TEST_F(TransactionTest, AReaderSeesOneState) {
  ASSERT_OK_AND_ASSIGN(auto reader,
                       Connection::Open(db_->path(), Access::kReadOnly));
  ASSERT_OK_AND_ASSIGN(Transaction snapshot,
                       Transaction::Begin(*reader, Kind::kRead));
  ASSERT_OK_AND_ASSIGN(int64_t before,
                       reader->QueryInt("SELECT count(*) FROM t"));
  Insert();
  EXPECT_EQ(reader->QueryInt("SELECT count(*) FROM t").value(), before);
  EXPECT_EQ(Count(), before + 1);
}

}  // namespace
}  // namespace engram::sqlite
