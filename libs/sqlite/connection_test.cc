#include "libs/sqlite/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::sqlite {
namespace {

using ::engram::testing::StatusIs;
using ::engram::testing::TempDirectory;

class ConnectionTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> Open(Access access) {
    auto connection = Connection::Open(path_, access);
    EXPECT_OK(connection);
    return *std::move(connection);
  }

  std::string Pragma(Connection& connection, absl::string_view name) {
    auto statement = connection.Prepare(absl::StrCat("PRAGMA ", name));
    EXPECT_OK(statement);
    EXPECT_TRUE(*statement->Step());
    return std::string(statement->Text(0));
  }

  TempDirectory directory_;
  std::string path_ = directory_.File("a.db");
};

TEST_F(ConnectionTest, SetsEveryPragma) {
  const auto connection = Open(Access::kReadWrite);
  EXPECT_EQ(Pragma(*connection, "busy_timeout"), "5000");
  EXPECT_EQ(Pragma(*connection, "page_size"), "8192");
  EXPECT_EQ(Pragma(*connection, "journal_mode"), "wal");
  EXPECT_EQ(Pragma(*connection, "synchronous"), "2");
  EXPECT_EQ(Pragma(*connection, "foreign_keys"), "1");
  EXPECT_EQ(Pragma(*connection, "wal_autocheckpoint"), "0");
  EXPECT_EQ(Pragma(*connection, "trusted_schema"), "0");
  EXPECT_EQ(Pragma(*connection, "cell_size_check"), "1");
  EXPECT_EQ(Pragma(*connection, "temp_store"), "2");
  EXPECT_EQ(Pragma(*Open(Access::kMaintenance), "temp_store"), "1");
}

TEST_F(ConnectionTest, KeepsItsFilesPrivate) {
  const auto connection = Open(Access::kReadWrite);
  ASSERT_OK(connection->Execute("CREATE TABLE t (a INTEGER)"));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat file;
    ASSERT_EQ(stat((path_ + suffix).c_str(), &file), 0) << suffix;
    EXPECT_EQ(file.st_mode & 0777, 0600) << suffix;
  }
}

TEST_F(ConnectionTest, ReadersCannotWrite) {
  ASSERT_OK(Open(Access::kReadWrite)->Execute("CREATE TABLE t (a INTEGER)"));
  const auto reader = Open(Access::kReadOnly);
  EXPECT_THAT(reader->Execute("INSERT INTO t VALUES (1)"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "readonly"));
}

TEST_F(ConnectionTest, ReadersDoNotCreateAFile) {
  EXPECT_THAT(Connection::Open(path_, Access::kReadOnly),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ConnectionTest, RefusesAFileThatIsNoDatabase) {
  std::ofstream(path_) << std::string(8192, 'x');
  EXPECT_THAT(Connection::Open(path_, Access::kReadWrite),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ConnectionTest, BindsAndReadsEveryType) {
  const auto connection = Open(Access::kReadWrite);
  ASSERT_OK_AND_ASSIGN(Statement statement,
                       connection->Cached("SELECT ?, ?, ?, ?, ?, ?"));
  statement.BindInt(1, std::numeric_limits<int64_t>::min());
  statement.BindDouble(2, 0.1);
  const std::string text("a\0b", 3);
  statement.BindText(3, text);
  statement.BindBlob(4, "\xff");
  statement.BindText(5, "");
  ASSERT_OK_AND_ASSIGN(const bool found, statement.Step());
  ASSERT_TRUE(found);
  EXPECT_EQ(statement.Int(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(statement.Double(1), 0.1);
  EXPECT_EQ(statement.Text(2), text);
  EXPECT_EQ(statement.Blob(3), "\xff");
  EXPECT_EQ(statement.ColumnType(4), SQLITE_TEXT);
  EXPECT_TRUE(statement.IsNull(5));
}

TEST_F(ConnectionTest, ReportsAParameterThatDoesNotExist) {
  const auto connection = Open(Access::kReadWrite);
  ASSERT_OK_AND_ASSIGN(Statement statement, connection->Prepare("SELECT ?"));
  statement.BindInt(2, 1);
  EXPECT_THAT(statement.Step(), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(ConnectionTest, CachedStatementsForgetWhatWasBound) {
  const auto connection = Open(Access::kReadWrite);
  {
    ASSERT_OK_AND_ASSIGN(Statement first, connection->Cached("SELECT ?"));
    first.BindInt(1, 7);
    ASSERT_OK(first.Step());
  }
  ASSERT_OK_AND_ASSIGN(Statement second, connection->Cached("SELECT ?"));
  ASSERT_OK(second.Step());
  EXPECT_TRUE(second.IsNull(0));
}

TEST_F(ConnectionTest, OneTextMayBeInUseTwice) {
  const auto connection = Open(Access::kReadWrite);
  ASSERT_OK_AND_ASSIGN(Statement outer, connection->Cached("SELECT 1"));
  ASSERT_OK(outer.Step());
  ASSERT_OK_AND_ASSIGN(Statement inner, connection->Cached("SELECT 1"));
  ASSERT_OK(inner.Step());
  EXPECT_EQ(outer.Int(0), 1);
  EXPECT_EQ(inner.Int(0), 1);
}

TEST_F(ConnectionTest, AFullCacheKeepsWhatIsUsed) {
  const auto connection = Open(Access::kReadWrite);
  const auto run = [&](absl::string_view sql) {
    absl::StatusOr<Statement> statement = connection->Cached(sql);
    EXPECT_OK(statement);
    EXPECT_OK(statement->Step());
  };
  const auto statements = [&] {
    int count = 0;
    for (sqlite3_stmt* at = nullptr;
         (at = sqlite3_next_stmt(connection->handle(), at)) != nullptr;) {
      ++count;
    }
    return count;
  };
  ASSERT_OK_AND_ASSIGN(Statement held, connection->Cached("SELECT 'held'"));
  ASSERT_OK(held.Step());
  for (int i = 0; i < 3000; ++i) {
    run("SELECT 'often'");
    run(absl::StrCat("SELECT ", i));
    ASSERT_LE(statements(), 513);
  }
  EXPECT_EQ(held.Text(0), "held");
  const auto is_kept = [&](absl::string_view sql) {
    for (sqlite3_stmt* at = nullptr;
         (at = sqlite3_next_stmt(connection->handle(), at)) != nullptr;) {
      if (sqlite3_sql(at) == sql) return true;
    }
    return false;
  };
  EXPECT_TRUE(is_kept("SELECT 'often'"));
  EXPECT_TRUE(is_kept("SELECT 2999"));
  EXPECT_FALSE(is_kept("SELECT 1"));
  const std::string text =
      absl::StrCat("SELECT '", std::string(40'000, 'x'), "'");
  run(text);
  EXPECT_FALSE(is_kept(text));
}

TEST_F(ConnectionTest, MapsErrors) {
  const auto connection = Open(Access::kReadWrite);
  ASSERT_OK(connection->Execute(
      "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT CHECK (b != 'x'));"
      "INSERT INTO t VALUES (1, 'a')"));
  EXPECT_THAT(connection->Execute("INSERT INTO t VALUES (1, 'b')"),
              StatusIs(absl::StatusCode::kAlreadyExists, "t.a"));
  EXPECT_THAT(connection->Execute("INSERT INTO t VALUES (2, 'x')"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(connection->Execute("SELEC 1"),
              StatusIs(absl::StatusCode::kInternal, "SELEC 1"));
  ASSERT_OK(connection->Execute("PRAGMA max_page_count = 1"));
  EXPECT_THAT(
      connection->Execute("INSERT INTO t VALUES (3, zeroblob(1000000))"),
      StatusIs(absl::StatusCode::kResourceExhausted, "full"));
}

TEST_F(ConnectionTest, CheckpointsTheLog) {
  const auto connection = Open(Access::kReadWrite);
  ASSERT_OK(connection->Execute("CREATE TABLE t (a BLOB)"));
  ASSERT_OK(connection->Execute("INSERT INTO t VALUES (zeroblob(1000000))"));
  EXPECT_GT(connection->wal_bytes(), 1'000'000);
  ASSERT_OK(connection->CheckpointTruncate());
  struct stat log;
  ASSERT_EQ(stat((path_ + "-wal").c_str(), &log), 0);
  EXPECT_EQ(log.st_size, 0);
}

}  // namespace
}  // namespace engram::sqlite
