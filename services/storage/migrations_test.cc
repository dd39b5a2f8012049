#include "services/storage/migrations/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/migrator.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

// One file of one kind, as some released version left it.
struct Dump {
  const char* file;
  absl::Span<const sqlite::Migration> (*migrations)();
  // A query of one number that the file's data answers.
  const char* query;
  int64_t answer;
};

class MigrationsTest : public ::testing::TestWithParam<Dump> {
 protected:
  std::unique_ptr<sqlite::Connection> Open(absl::string_view name) {
    auto connection = sqlite::Connection::Open(directory_.File(name),
                                               sqlite::Access::kReadWrite);
    EXPECT_OK(connection);
    return *std::move(connection);
  }

  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  // Every table and index, as text.
  static std::set<std::string> Schema(sqlite::Connection& connection) {
    auto select = connection.Prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema");
    EXPECT_OK(select);
    std::set<std::string> schema;
    while (*select->Step()) {
      schema.insert(absl::StrCat(select->Text(0), " ", select->Text(1), ": ",
                                 select->Text(2)));
    }
    return schema;
  }

  engram::testing::TempDirectory directory_;
};

TEST_P(MigrationsTest, AnOldFileBecomesWhatAFreshOneIs) {
  const auto fresh = Open("fresh.db");
  ASSERT_OK(sqlite::Migrate(*fresh, GetParam().migrations(), "test"));
  const auto old = Open("old.db");
  const std::string dump = Read(absl::StrCat(ENGRAM_DUMPS, GetParam().file));
  ASSERT_NE(dump, "");
  ASSERT_OK(old->Execute(dump));
  ASSERT_OK(sqlite::Migrate(*old, GetParam().migrations(), "test"));
  EXPECT_EQ(Schema(*old), Schema(*fresh));
  EXPECT_EQ(old->QueryInt(GetParam().query).value(), GetParam().answer);
}

INSTANTIATE_TEST_SUITE_P(
    Dumps, MigrationsTest,
    ::testing::Values(Dump{"system_v0001.sql", SystemMigrations,
                           "SELECT count(*) FROM _databases JOIN _models", 1},
                      Dump{"system_v0002.sql", SystemMigrations,
                           "SELECT count(*) FROM _removals", 1},
                      Dump{"system_v0003.sql", SystemMigrations,
                           "SELECT count(*) FROM _pauses", 1},
                      Dump{"database_v0001.sql", DatabaseMigrations,
                           "SELECT value FROM _meta WHERE name = 'epoch'",
                           171}));

}  // namespace
}  // namespace engram::storage
