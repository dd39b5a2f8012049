#include "services/storage/collection_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/schema/collection_parser.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CollectionTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(db_,
                         sqlite::Connection::Open(directory_.File("engram.db"),
                                                  sqlite::Access::kReadWrite));
  }

  void Create(absl::string_view yaml) {
    ASSERT_OK_AND_ASSIGN(spec_, schema::ParseCollection("test", yaml));
    for (const std::string& statement : Statements()) {
      ASSERT_OK(db_->Execute(statement)) << statement;
    }
  }

  // All that creates what the spec declares.
  std::vector<std::string> Statements() {
    std::vector<std::string> statements = {CreateTableSql(spec_, spec_.name)};
    std::vector<int> numbers;
    for (size_t i = 1; i <= spec_.fields.size(); ++i) {
      numbers.push_back(static_cast<int>(i));
    }
    for (const SideObject& object : SideObjects(7, spec_, numbers)) {
      statements.push_back(object.create);
    }
    return statements;
  }

  // Inserts a record of the collection "c" with these fields.
  absl::Status Insert(absl::string_view columns, absl::string_view values) {
    return db_->Execute(absl::StrCat(
        "INSERT INTO c (id, _version, _created_us, _updated_us, _sequence, ",
        columns, ") VALUES ('r", next_id_++, "', 1, 1, 1, 1, ", values, ")"));
  }

  // What SQLite would do to run `sql`.
  std::string Plan(absl::string_view sql) {
    auto statement = db_->Prepare(absl::StrCat("EXPLAIN QUERY PLAN ", sql));
    EXPECT_OK(statement);
    std::string plan;
    while (true) {
      const auto row = statement->Step();
      EXPECT_OK(row);
      if (!row.ok() || !*row) return plan;
      absl::StrAppend(&plan, statement->Text(3), "\n");
    }
  }

  testing::TempDirectory directory_;
  std::unique_ptr<sqlite::Connection> db_;
  schema::CollectionSpec spec_;
  int next_id_ = 0;
};

TEST_F(CollectionTableTest, TheStatementsCanBeReadByAPerson) {
  Create(R"(
collection: c
fields:
  title: {type: string, index: true}
  size:  {type: int, unique: true}
  icon:  {type: bytes}
unique: [[title, icon]]
)");
  EXPECT_THAT(
      Statements(),
      ElementsAre(R"(CREATE TABLE "c" (
  _row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  _version INTEGER NOT NULL,
  _created_us INTEGER NOT NULL,
  _updated_us INTEGER NOT NULL,
  _sequence INTEGER NOT NULL,
  "size" INTEGER,
  "title" TEXT,
  "icon" BLOB
) STRICT)",
                  R"(CREATE INDEX "_index.c.title" ON "c" ("title"))",
                  R"(CREATE UNIQUE INDEX "_unique.c.size" ON "c" )"
                  R"((ifnull("size", x'')))",
                  R"(CREATE UNIQUE INDEX "_unique.c.icon.title" ON "c" )"
                  R"((ifnull("icon", 0), ifnull("title", x'')))"));
}

TEST_F(CollectionTableTest, WhatMayBeLargeComesLast) {
  Create(R"(
collection: c
fields:
  body: {type: text}
  meta: {type: json}
  name: {type: string}
  icon: {type: bytes}
  size: {type: int}
  tags: {type: strings}
  score: {type: double}
  parent: {type: ref(c)}
  done: {type: bool}
  at: {type: timestamp}
)");
  std::vector<std::string> names;
  auto columns = db_->Prepare("SELECT name FROM pragma_table_info('c')");
  ASSERT_OK(columns);
  while (*columns->Step()) names.emplace_back(columns->Text(0));
  names.erase(names.begin(), names.begin() + 6);
  EXPECT_THAT(names, ElementsAre("size", "score", "done", "at", "name",
                                 "parent", "body", "meta", "icon", "tags"));
}

TEST_F(CollectionTableTest, ColumnsRefuseValuesOfOtherTypes) {
  Create(R"(
collection: c
fields:
  string: {type: string}
  text: {type: text}
  int: {type: int}
  double: {type: double}
  bool: {type: bool}
  timestamp: {type: timestamp}
  json: {type: json}
  bytes: {type: bytes}
  strings: {type: strings}
)");
  for (const char* text : {"string", "text", "json", "strings"}) {
    EXPECT_OK(Insert(absl::StrCat("\"", text, "\""), "'a'"));
    EXPECT_FALSE(Insert(absl::StrCat("\"", text, "\""), "x'00'").ok()) << text;
  }
  for (const char* integer : {"int", "bool", "timestamp"}) {
    EXPECT_OK(Insert(absl::StrCat("\"", integer, "\""), "1"));
    EXPECT_FALSE(Insert(absl::StrCat("\"", integer, "\""), "1.5").ok())
        << integer;
    EXPECT_FALSE(Insert(absl::StrCat("\"", integer, "\""), "'a'").ok())
        << integer;
  }
  EXPECT_OK(Insert("double", "1.5"));
  EXPECT_FALSE(Insert("double", "'a'").ok());
  EXPECT_OK(Insert("bytes", "x'00'"));
  EXPECT_FALSE(Insert("bytes", "'a'").ok());
}

TEST_F(CollectionTableTest, KeywordsOfSqlMayBeNames) {
  Create(R"(
collection: select
fields:
  from: {type: string, index: true, unique: true}
  order: {type: int}
  rowid: {type: string}
unique: [[order, from]]
)");
  EXPECT_OK(db_->Execute(R"(SELECT "from", "order" FROM "select")"));
}

TEST_F(CollectionTableTest, CollectionsWithSimilarNamesDoNotShareIndexes) {
  Create("{collection: a, fields: {b_c: {type: int, index: true}}}");
  Create("{collection: a_b, fields: {c: {type: int, index: true}}}");
}

TEST_F(CollectionTableTest, TheRowOfADeletedRecordIsNotReused) {
  Create("{collection: c, fields: {x: {type: int}}}");
  ASSERT_OK(Insert("x", "1"));
  ASSERT_OK(Insert("x", "2"));
  ASSERT_OK(db_->Execute("DELETE FROM c"));
  ASSERT_OK(Insert("x", "3"));
  ASSERT_OK_AND_ASSIGN(const int64_t row, db_->QueryInt("SELECT _row FROM c"));
  EXPECT_EQ(row, 3);
}

TEST_F(CollectionTableTest, NoValueIsOneValueOfAUniqueKey) {
  Create(R"(
collection: c
fields: {x: {type: string}, y: {type: int}, z: {type: bytes, unique: true}}
unique: [[x, y]]
)");
  EXPECT_OK(Insert("x, y, z", "'a', 1, x'01'"));
  EXPECT_OK(Insert("x, y, z", "'a', NULL, x'02'"));
  EXPECT_OK(Insert("x, y, z", "NULL, NULL, x'03'"));
  EXPECT_FALSE(Insert("x, y, z", "'a', 1, x'04'").ok());
  EXPECT_FALSE(Insert("x, y, z", "'a', NULL, x'04'").ok());
  EXPECT_FALSE(Insert("x, y, z", "NULL, NULL, x'04'").ok());
  // What stands for no value is not equal to any value that looks like it.
  EXPECT_OK(Insert("x, y, z", "'', 0, NULL"));
  EXPECT_OK(Insert("x, y, z", "'', NULL, x''"));
  EXPECT_OK(Insert("x, y, z", "'', 1, x'00'"));
  EXPECT_FALSE(Insert("x, y, z", "'', 2, NULL").ok());
}

TEST_F(CollectionTableTest, MissingValuesAreDistinctWhereTheKeySaysSo) {
  Create(R"(
collection: c
fields: {x: {type: string}, y: {type: int}, z: {type: bytes}}
unique: [{fields: [x, y], missing: distinct}, {fields: [z], missing: distinct}]
)");
  EXPECT_OK(Insert("x, y, z", "'a', 1, x'01'"));
  EXPECT_OK(Insert("x, y, z", "'a', NULL, NULL"));
  EXPECT_OK(Insert("x, y, z", "'a', NULL, NULL"));
  EXPECT_OK(Insert("x, y, z", "NULL, NULL, NULL"));
  EXPECT_FALSE(Insert("x, y, z", "'a', 1, NULL").ok());
  EXPECT_FALSE(Insert("x, y, z", "'b', 1, x'01'").ok());
}

TEST_F(CollectionTableTest, ALookupByUniqueKeyUsesItsIndexAndFindsNoValue) {
  Create(R"(
collection: c
fields: {x: {type: string}, y: {type: bytes}}
unique: [[x, y]]
)");
  ASSERT_OK(Insert("x, y", "'a', NULL"));
  ASSERT_OK(Insert("x, y", "NULL, x'00'"));
  std::string select = "SELECT count(*) FROM c WHERE ";
  const std::vector<int> key = spec_.UniqueKeys().at(0);
  for (const int index : key) {
    const schema::FieldSpec& field = spec_.fields[index];
    absl::StrAppend(&select, index == 0 ? "" : " AND ",
                    UniqueKeyTerm(field, schema::Missing::kEqual), " = ",
                    UniqueKeyParameter(field, schema::Missing::kEqual));
  }
  EXPECT_THAT(Plan(select), HasSubstr("USING INDEX _unique.c.x.y (<expr>=? AND "
                                      "<expr>=?)"));
  ASSERT_OK_AND_ASSIGN(sqlite::Statement statement, db_->Prepare(select));
  const auto count = [&] {
    EXPECT_OK(statement.Step());
    const int64_t found = statement.Int(0);
    statement.Reset();
    return found;
  };
  statement.BindText(1, "a");
  statement.BindNull(2);
  EXPECT_EQ(count(), 1);
  statement.BindBlob(2, absl::string_view("\0", 1));
  EXPECT_EQ(count(), 0);
  statement.BindNull(1);
  EXPECT_EQ(count(), 1);
}

}  // namespace
}  // namespace engram::storage
