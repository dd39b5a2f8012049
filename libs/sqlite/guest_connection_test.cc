#include "libs/sqlite/guest_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/guest_rules.h"
#include "libs/sqlite/temp_space.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::sqlite {
namespace {

using engram::testing::StatusIs;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

class GuestConnectionTest : public ::testing::Test {
 protected:
  GuestConnectionTest() {
    host_ = *Connection::Open(path_, Access::kReadWrite);
    EXPECT_OK(host_->Execute(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, stars INTEGER,"
        " twice INTEGER GENERATED ALWAYS AS (round(stars) * 2) VIRTUAL);"
        "CREATE INDEX by_stars ON notes (stars);"
        "CREATE VIEW good AS SELECT * FROM notes WHERE stars > 3;"
        "CREATE VIRTUAL TABLE words USING fts5(title, content='notes',"
        " content_rowid='id');"
        "INSERT INTO notes (title, stars) VALUES ('red apples', 5),"
        " ('a boat', 2), ('bread', NULL);"
        "INSERT INTO words (rowid, title) SELECT id, title FROM notes;"));
  }

  ~GuestConnectionTest() override { guest_.reset(); }

  GuestConnection& guest() {
    if (guest_ == nullptr) guest_ = *GuestConnection::Open(path_, limits_);
    return *guest_;
  }

  // The rows as text, `1|a` each.
  absl::StatusOr<std::vector<std::string>> Run(absl::string_view sql) {
    ASSIGN_OR_RETURN(GuestStatement statement, guest().Compile(sql));
    std::vector<std::string> rows;
    while (true) {
      ASSIGN_OR_RETURN(const bool found, statement.Step());
      if (!found) return rows;
      std::string row;
      for (int i = 0; i < statement.column_count(); ++i) {
        absl::StrAppend(&row, i == 0 ? "" : "|", statement.Text(i));
      }
      rows.push_back(std::move(row));
    }
  }

  // The rows of a statement that has no error.
  std::vector<std::string> Rows(absl::string_view sql) {
    const auto rows = Run(sql);
    EXPECT_OK(rows) << sql;
    return rows.ok() ? *rows : std::vector<std::string>();
  }

  GuestConnection::Limits limits_;
  engram::testing::TempDirectory directory_;
  const std::string path_ = directory_.File("guest.db");
  std::unique_ptr<Connection> host_;
  std::unique_ptr<GuestConnection> guest_;
};

TEST_F(GuestConnectionTest, ReadsTablesViewsWordsAndTheSchema) {
  EXPECT_THAT(Rows("SELECT id, title, twice FROM notes WHERE stars = 5"),
              ElementsAre("1|red apples|10"));
  EXPECT_THAT(Rows("SELECT title FROM good"), ElementsAre("red apples"));
  EXPECT_THAT(Rows("SELECT highlight(words, 0, '[', ']') FROM words('apples')"
                   " ORDER BY bm25(words)"),
              ElementsAre("red [apples]"));
  EXPECT_THAT(Rows("SELECT rowid FROM words WHERE words MATCH 'boat OR bread'"),
              ElementsAre("2", "3"));
  EXPECT_THAT(Rows("VALUES (1, 'a'), (2, 'b')"), ElementsAre("1|a", "2|b"));
  EXPECT_THAT(
      Rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
           "n LIMIT 3) SELECT sum(i), count(*) OVER () FROM n"),
      ElementsAre("6|1"));
  EXPECT_THAT(Rows("SELECT key, value FROM json_each('[7,8]')"),
              ElementsAre("0|7", "1|8"));
  EXPECT_THAT(Rows("SELECT name FROM pragma_table_info('notes') WHERE pk"),
              ElementsAre("id"));
  EXPECT_THAT(
      Rows("SELECT count(*) FROM sqlite_schema WHERE name = 'by_stars'"),
      ElementsAre("1"));
  EXPECT_THAT(Rows("EXPLAIN QUERY PLAN SELECT * FROM notes WHERE stars = 5"),
              ElementsAre(HasSubstr("USING INDEX by_stars (stars=?)")));
  EXPECT_OK(Run("EXPLAIN SELECT * FROM good"));
}

TEST_F(GuestConnectionTest, PragmasThatTellOfTablesAnswer) {
  for (const char* sql :
       {"PRAGMA table_info(notes)", "PRAGMA table_xinfo('notes')",
        "PRAGMA main.table_info(notes)", "PRAGMA table_list",
        "PRAGMA index_list(notes)", "PRAGMA index_info(by_stars)",
        "PRAGMA Index_XInfo = by_stars", "PRAGMA page_count",
        "PRAGMA compile_options", "PRAGMA function_list"}) {
    const auto rows = Run(sql);
    ASSERT_OK(rows) << sql;
    EXPECT_FALSE(rows->empty()) << sql;
  }
  EXPECT_OK(Run("PRAGMA foreign_key_list(notes)"));
}

TEST_F(GuestConnectionTest, EveryFunctionOfTheRulesThatSqliteHasCanBeCalled) {
  int called = 0;
  const auto functions =
      Run("SELECT DISTINCT name FROM pragma_function_list ORDER BY name");
  ASSERT_OK(functions);
  std::vector<std::string> refused;
  for (const std::string& function : *functions) {
    std::string why;
    if (MayGuest(GuestVerb::kRead, SQLITE_FUNCTION, nullptr, function.c_str(),
                 &why)) {
      ++called;
    } else {
      refused.push_back(function);
    }
  }
  EXPECT_GT(called, 110);
  // What does something beside computing, and what only FTS3 and R-trees use.
  // Whoever meets another one here looks at what it does first.
  for (const std::string& function : refused) {
    EXPECT_THAT(function, AnyOf("fts3_tokenizer", "fts5", "fts5_source_id",
                                "format", "load_extension", "matchinfo",
                                "offsets", "optimize", "printf", "rtreecheck",
                                "rtreedepth", "rtreenode", "sqlite_log"));
  }
}

// Each of these would write, open another file, change a setting or run code.
constexpr const char* kEscapes[] = {
    "INSERT INTO notes (title) VALUES ('x')",
    "INSERT INTO notes (title) VALUES ('x') RETURNING id",
    "WITH a AS (SELECT 1) INSERT INTO notes (title) SELECT * FROM a",
    "REPLACE INTO notes (title) VALUES ('x')",
    "UPDATE notes SET title = 'x'",
    "UPDATE notes SET title = 'x' WHERE 0",
    "DELETE FROM notes",
    "DELETE FROM good",
    "CREATE TABLE t (a)",
    "CREATE TABLE t AS SELECT * FROM notes",
    "CREATE TABLE x (key, value)",
    "/* SELECT */ CREATE TABLE x (key)",
    "EXPLAIN /* SELECT */ CREATE TABLE x (key)",
    "WITH a AS (SELECT 1) INSERT INTO sqlite_master SELECT 1, 2, 3, 4, 5",
    "WITH a AS (SELECT 1) DELETE FROM sqlite_master",
    "WITH a AS (SELECT 1) UPDATE sqlite_master SET sql = ''",
    "WITH a AS (SELECT 1) UPDATE sqlite_temp_master SET sql = ''",
    "WITH a AS (SELECT 1) REPLACE INTO notes SELECT 1, 2, 3",
    "WITH a AS (SELECT 1) CREATE TABLE x (key)",
    "CREATE TEMP TABLE t (a)",
    "CREATE TABLE temp.t (a)",
    "CREATE INDEX i ON notes (title)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END",
    "CREATE TEMP TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE t USING fts5(a)",
    "CREATE VIRTUAL TABLE temp.t USING fts5vocab('main', 'words', 'row')",
    "CREATE VIRTUAL TABLE temp.t USING dbstat",
    "DROP TABLE notes",
    "DROP TABLE IF EXISTS nothing",
    "DROP VIEW good",
    "DROP INDEX by_stars",
    "ALTER TABLE notes ADD COLUMN b",
    "ALTER TABLE notes RENAME TO other",
    "REINDEX",
    "REINDEX notes",
    "ANALYZE",
    "ANALYZE notes",
    "VACUUM",
    "VACUUM INTO '/tmp/engram-guest-escape.db'",
    "EXPLAIN VACUUM",
    "ATTACH '/tmp/engram-guest-escape.db' AS other",
    "ATTACH ':memory:' AS other",
    "ATTACH '' AS other",
    "DETACH main",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "RELEASE s",
    "EXPLAIN DELETE FROM notes",
    "EXPLAIN QUERY PLAN UPDATE notes SET title = 'x'",
    "EXPLAIN CREATE TABLE t (a)",
    "PRAGMA query_only = OFF",
    "EXPLAIN PRAGMA query_only = OFF",
    "PRAGMA query_only",
    "PRAGMA writable_schema = ON",
    "PRAGMA writable_schema = RESET",
    "PRAGMA journal_mode",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA main.journal_mode = OFF",
    "PRAGMA wal_checkpoint",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA schema_version = 7",
    "PRAGMA data_version = 7",
    "PRAGMA page_size = 512",
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA trusted_schema = ON",
    "PRAGMA cell_size_check = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA cache_size = 1000000",
    "PRAGMA soft_heap_limit = 1",
    "PRAGMA hard_heap_limit = 1",
    "PRAGMA threads = 8",
    "PRAGMA optimize",
    "PRAGMA incremental_vacuum",
    "PRAGMA auto_vacuum = FULL",
    "PRAGMA case_sensitive_like = ON",
    "PRAGMA wal_autocheckpoint = 1",
    "PRAGMA shrink_memory",
    "PRAGMA integrity_check",
    "PRAGMA database_list",
    "PRAGMA nonsense",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT printf('%.*c', 1000000000, 'x')",
    "SELECT format('%s', 'x')",
    "SELECT sqlite_log(1, 'x')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT fts5(NULL)",
    "SELECT optimize(words) FROM words",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('/tmp/x', 'x')",
    "SELECT edit('x')",
    "SELECT * FROM sqlite_dbpage",
    "UPDATE sqlite_dbpage SET data = x'00'",
    "INSERT INTO sqlite_dbpage VALUES (1, x'00', 'main')",
    "SELECT * FROM sqlite_stmt",
    "SELECT * FROM fts3tokenize('simple', 'a b')",
    "SELECT * FROM pragma_wal_checkpoint",
    "SELECT * FROM pragma_query_only(0)",
    "SELECT * FROM pragma_user_version(7)",
    "SELECT * FROM pragma_journal_mode('delete')",
    "SELECT * FROM pragma_integrity_check",
    "SELECT * FROM pragma_database_list",
    "SELECT (SELECT * FROM pragma_optimize)",
    "INSERT INTO words (words) VALUES ('rebuild')",
    "INSERT INTO words (words) VALUES ('optimize')",
    "INSERT INTO words (words, rank) VALUES ('pgsz', 32)",
    "INSERT INTO words_data VALUES (1, x'00')",
    "DELETE FROM words_data",
    "UPDATE sqlite_schema SET sql = ''",
    "DELETE FROM sqlite_sequence",
    "DELETE FROM sqlite_master",
};

TEST_F(GuestConnectionTest, NothingThatDoesMoreThanReadIsRun) {
  ASSERT_OK(host_->CheckpointTruncate());
  const std::string file = ReadFile(path_);
  const auto version = host_->QueryInt("PRAGMA data_version");
  for (const char* sql : kEscapes) {
    const absl::Status status = Run(sql).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << sql;
    // A message that says why; never SQLite's word for a write it stopped.
    EXPECT_THAT(std::string(status.message()),
                ::testing::Not(HasSubstr("readonly")))
        << sql;
  }
  // Only one of them names a file that could be there.
  EXPECT_EQ(ReadFile("/tmp/engram-guest-escape.db"), "");
  EXPECT_EQ(host_->QueryInt("PRAGMA data_version").value(), version.value());
  EXPECT_EQ(ReadFile(path_), file);
  EXPECT_EQ(ReadFile(path_ + "-wal"), "");
  EXPECT_THAT(Rows("SELECT count(*) FROM notes"), ElementsAre("3"));
}

TEST_F(GuestConnectionTest, WhatIsRefusedIsNamed) {
  EXPECT_THAT(
      Run("DELETE FROM notes"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "a statement that does more than read is not allowed; only "
               "SELECT, VALUES, EXPLAIN of these, and PRAGMA table_info and "
               "its like are"));
  EXPECT_THAT(Run("VACUUM"), StatusIs(absl::StatusCode::kInvalidArgument,
                                      "a statement that does more "));
  EXPECT_THAT(Run("PRAGMA journal_mode = OFF"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "PRAGMA journal_mode (...) is not allowed"));
  EXPECT_THAT(Run("SELECT load_extension('x')"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "the function load_extension() is not "
                       "allowed"));
  EXPECT_THAT(Run("SELECT * FROM sqlite_stmt"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "the table sqlite_stmt is not to be read"));
  // Known only when it runs.
  EXPECT_THAT(Run("SELECT * FROM pragma_database_list"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "PRAGMA database_list is not allowed"));
}

TEST_F(GuestConnectionTest, ThereIsJustOneStatement) {
  EXPECT_OK(Run(" ;; -- a comment\n /* another */ SELECT 1 ; -- and\n/**/;;"));
  EXPECT_OK(Run("SELECT 'a;b' /* not ended"));
  EXPECT_THAT(Run("SELECT 1; SELECT 2"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "column 11: a second statement begins; send one at a "
                       "time"));
  EXPECT_THAT(Run("SELECT 1;\n -- é\n DELETE FROM notes"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "line 3, column 2: a second statement"));
  // It is not looked at, so it cannot do anything either.
  EXPECT_THAT(
      Run("SELECT 1; PRAGMA query_only = OFF"),
      StatusIs(absl::StatusCode::kInvalidArgument, "a second statement"));
  for (const char* sql : {"", " \n", ";", "-- nothing", "/* nothing"}) {
    EXPECT_THAT(Run(sql), StatusIs(absl::StatusCode::kInvalidArgument,
                                   "holds no statement"))
        << sql;
  }
  EXPECT_THAT(Run(absl::string_view("SELECT 1\0; DELETE FROM notes", 28)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "column 9: holds a NUL character"));
}

TEST_F(GuestConnectionTest, ErrorsNameThePlace) {
  EXPECT_THAT(Run("SELEC 1"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "column 1: near \"SELEC\": syntax error"));
  EXPECT_THAT(Run("/* é */ SELECT titel FROM notes"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "column 16: no such column: titel"));
  EXPECT_THAT(Run("SELECT 1,\n  2 +\n FROM notes"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "line 3, column 2: near \"FROM\": syntax error"));
  EXPECT_THAT(
      Run("SELECT * FROM nowhere"),
      StatusIs(absl::StatusCode::kInvalidArgument, "no such table: nowhere"));
  EXPECT_THAT(Run("SELECT json_extract('{', '$')"),
              StatusIs(absl::StatusCode::kInvalidArgument, "malformed JSON"));
  EXPECT_THAT(Run("SELECT sum(9223372036854775807) FROM notes"),
              StatusIs(absl::StatusCode::kInvalidArgument, "integer overflow"));
}

TEST_F(GuestConnectionTest, LengthsAreBounded) {
  const auto is_too_large =
      StatusIs(absl::StatusCode::kResourceExhausted, "substr() takes a part");
  for (const char* sql :
       {"SELECT zeroblob(1000000000)", "SELECT randomblob(5000000)",
        "SELECT hex(zeroblob(3000000))",
        "SELECT replace(hex(zeroblob(1000000)), '0', 'longer')",
        "SELECT group_concat(zeroblob(1000000)) FROM (VALUES (1), (2), (3), "
        "(4),"
        " (5))"}) {
    EXPECT_THAT(Run(sql), is_too_large) << sql;
  }
  EXPECT_OK(Run("SELECT length(zeroblob(4000000))"));
  std::string sum = "SELECT 1";
  for (int i = 0; i < 600; ++i) sum += " + 1";
  EXPECT_THAT(Run(sum), StatusIs(absl::StatusCode::kInvalidArgument,
                                 "too large (maximum depth 500)"));
  std::string compound = "SELECT 1";
  for (int i = 0; i < 60; ++i) compound += " UNION ALL SELECT 1";
  EXPECT_THAT(Run(compound),
              StatusIs(absl::StatusCode::kInvalidArgument, "too many terms"));
  std::string columns = "SELECT 1";
  for (int i = 0; i < 1000; ++i) columns += ",1";
  EXPECT_THAT(Run(columns),
              StatusIs(absl::StatusCode::kInvalidArgument, "too many columns"));
  EXPECT_THAT(
      Run(absl::StrCat("SELECT 'a' LIKE '", std::string(300, '%'), "'")),
      StatusIs(absl::StatusCode::kInvalidArgument, "pattern too complex"));
  EXPECT_THAT(Run(absl::StrCat("SELECT '", std::string(256 << 10, 'x'), "'")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "bytes; at most 262144 are allowed"));
}

TEST_F(GuestConnectionTest, MemoryIsBounded) {
  const auto is_too_much =
      StatusIs(absl::StatusCode::kResourceExhausted, "takes more memory");
  // An aggregate that is not careful.
  EXPECT_THAT(
      Run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
          "SELECT json_group_array(hex(zeroblob(10000))) FROM n"),
      is_too_much);
  EXPECT_OK(Run("SELECT 1")) << "all of it was given back";
}

TEST_F(GuestConnectionTest, MemoryForCompilingIsBounded) {
  // 700 bytes that become 2^25 subqueries.
  std::string sql = "WITH c0 AS (SELECT 1)";
  for (int i = 1; i <= 25; ++i) {
    absl::StrAppend(&sql, ", c", i, " AS (SELECT 1 FROM c", i - 1, ", c", i - 1,
                    ")");
  }
  EXPECT_THAT(
      Run(sql + " SELECT 1 FROM c25"),
      StatusIs(absl::StatusCode::kResourceExhausted, "takes more memory"));
  EXPECT_OK(Run("SELECT 1"));
}

TEST_F(GuestConnectionTest, TemporaryFilesAreBounded) {
  LimitTempSpace(8 << 20);
  limits_.memory_bytes = int64_t{64} << 20;
  // More than the memory: it is sorted in files.
  const std::string sql =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
      "LIMIT 5000) SELECT count(*) FROM (SELECT randomblob(10000) AS b FROM n "
      "ORDER BY b LIMIT -1 OFFSET 1)";
  EXPECT_THAT(Run(sql), StatusIs(absl::StatusCode::kResourceExhausted,
                                 "temporary files"));
  EXPECT_EQ(UsedTempSpace(), 0);
  LimitTempSpace(kDefaultTempSpaceBytes);
  EXPECT_THAT(Rows(sql), ElementsAre("4999"));
  EXPECT_EQ(UsedTempSpace(), 0);
}

TEST_F(GuestConnectionTest, AStatementEndsWhenItIsOver) {
  int asked = 0;
  guest().EndWhen([&] { return ++asked > 3; });
  EXPECT_THAT(
      Run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
          "SELECT count(*) FROM n"),
      StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(asked, 4);
}

TEST_F(GuestConnectionTest, QueryOnlyAloneStopsAWriteToo) {
  // As the host's readers are: no rules there.
  const auto reader = *Connection::Open(path_, Access::kReadOnly);
  EXPECT_THAT(reader->Execute("DELETE FROM notes"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "readonly"));
}

}  // namespace
}  // namespace engram::sqlite
