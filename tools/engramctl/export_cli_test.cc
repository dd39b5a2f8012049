#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/sqlite/connection.h"
#include "tools/engramctl/output_file.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ExportCliTest : public testing::CliFixture {
 protected:
  void SetUp() override {
    CreateNotes();
    Import(
        "{\"id\":\"a\",\"title\":\"A, b\",\"stars\":1}\n"
        "{\"id\":\"b\",\"title\":\"B\",\"stars\":3}\n");
  }

  void Import(const std::string& lines) {
    ASSERT_EQ(Engramctl({"import", "notes", "-"}, lines), 0) << errors_;
  }

  // What `errors_` says of the position.
  std::string Position() const {
    for (const absl::string_view line : absl::StrSplit(errors_, '\n')) {
      if (!absl::StartsWith(line, "position ")) continue;
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      return words.at(1);
    }
    ADD_FAILURE() << errors_;
    return "";
  }
};

TEST_F(ExportCliTest, WritesToStdoutAndSaysWhereToGoOnOnStderr) {
  EXPECT_EQ(Engramctl({"export", "notes"}), 0) << errors_;
  EXPECT_EQ(output_,
            "{\"id\":\"a\",\"title\":\"A, b\",\"stars\":1}\n"
            "{\"id\":\"b\",\"title\":\"B\",\"stars\":3}\n");
  EXPECT_THAT(errors_,
              AllOf(ContainsRegex("^2 records, 69 B in [0-9.]+ s \\("),
                    HasSubstr("(--since exports what changes after it)\n")));
  const std::string position = Position();
  EXPECT_EQ(Engramctl({"export", "notes", "--since", position}), 0);
  EXPECT_EQ(output_, "");
  Import("{\"id\":\"a\",\"title\":\"A\"}\n");
  EXPECT_EQ(
      Engramctl({"export", "notes", "--since", position, "--fields", "title"}),
      0);
  EXPECT_EQ(output_, "{\"id\":\"a\",\"title\":\"A\"}\n");
}

TEST_F(ExportCliTest, TheFormatIsTheFilesEnding) {
  const auto exported = [&](const std::string& name) {
    const std::string path = directory_.File(name);
    EXPECT_EQ(Engramctl({"export", "notes", "-o", path, "--fields", "title"}),
              0)
        << errors_;
    EXPECT_EQ(output_, "");
    EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
    return ReadFile(path);
  };
  EXPECT_THAT(exported("notes.jsonl"), StartsWith("{\"id\":\"a\""));
  EXPECT_THAT(exported("notes.JSON"), StartsWith("[\n{\"id\":\"a\""));
  EXPECT_EQ(exported("notes.csv"), "id,title\r\na,\"A, b\"\r\nb,B\r\n");
  EXPECT_THAT(exported("notes.sql"), StartsWith("BEGIN;\nCREATE TABLE"));
  EXPECT_THAT(exported("notes"), StartsWith("{\"id\":\"a\""));
  EXPECT_EQ(Engramctl({"export", "notes", "--format", "csv"}), 0);
  EXPECT_THAT(output_, StartsWith("id,title,content,stars\r\n"));
}

TEST_F(ExportCliTest, WhatIsExportedCanBeImported) {
  for (const char* name : {"n.jsonl", "n.json", "n.csv"}) {
    const std::string path = directory_.File(name);
    ASSERT_EQ(Engramctl({"export", "notes", "-o", path}), 0) << errors_;
    const std::string other =
        absl::StrCat("other-", absl::StrReplaceAll(name, {{".", "-"}}));
    ASSERT_EQ(Engramctl({"db", "create", other}), 0) << errors_;
    ASSERT_EQ(Engramctl({"--database", other, "schema", "apply", "-"},
                        testing::kNotes),
              0)
        << errors_;
    ASSERT_EQ(Engramctl({"--database", other, "import", "notes", path}), 0)
        << errors_;
    ASSERT_EQ(Engramctl({"--database", other, "export", "notes"}), 0);
    const std::string copy = output_;
    ASSERT_EQ(Engramctl({"export", "notes"}), 0);
    EXPECT_EQ(copy, output_);
  }
}

TEST_F(ExportCliTest, FiltersWithParameters) {
  EXPECT_EQ(Engramctl({"export", "notes", "--filter", "stars > :n", "--param",
                       "n=2", "--fields", "stars"}),
            0);
  EXPECT_EQ(output_, "{\"id\":\"b\",\"stars\":3}\n");
  EXPECT_EQ(Engramctl({"export", "notes", "--filter", "star > 2"}), 1);
  EXPECT_THAT(errors_, HasSubstr("filter: column 1: no field \"star\""));
}

TEST_F(ExportCliTest, JsonSummarises) {
  const std::string path = directory_.File("n.csv");
  EXPECT_EQ(Engramctl({"export", "notes", "-o", path, "--json"}), 0);
  EXPECT_EQ(Json().fields().at("records").number_value(), 2);
  EXPECT_THAT(Json().fields().at("position").string_value(),
              StartsWith("default@"));
  // Where stdout has the records, it goes to stderr.
  EXPECT_EQ(Engramctl({"export", "notes", "--json"}), 0);
  EXPECT_THAT(output_, StartsWith("{\"id\":\"a\""));
  EXPECT_THAT(errors_, StartsWith("{\"records\":2,"));
}

TEST_F(ExportCliTest, AnExportThatFailsLeavesTheFileAsItWas) {
  const std::string path = WriteFile("n.csv", "before");
  EXPECT_EQ(Engramctl({"export", "nope", "-o", path}), 1);
  EXPECT_THAT(errors_, HasSubstr("COLLECTION_UNKNOWN"));
  EXPECT_EQ(ReadFile(path), "before");
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
  EXPECT_EQ(Engramctl({"export", "notes", "-o", directory_.path()}), 1);
  EXPECT_THAT(errors_, HasSubstr("directory"));
  EXPECT_EQ(Engramctl({"export", "notes", "-o", "/nowhere/n.csv"}), 1);
  EXPECT_THAT(errors_, HasSubstr("/nowhere/n.csv"));
  // A device is no file to be replaced.
  EXPECT_EQ(Engramctl({"export", "notes", "-o", "/dev/null"}), 0) << errors_;
  EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
}

TEST_F(ExportCliTest, AFileIsInItsPlaceOnlyWhenItIsComplete) {
  const std::string path = WriteFile("n.txt", "before");
  {
    auto file = OutputFile::Create(path);
    ASSERT_OK(file);
    ASSERT_OK((*file)->Write("half"));
    EXPECT_EQ(ReadFile(path), "before");
  }
  EXPECT_EQ(ReadFile(path), "before");
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
  auto file = OutputFile::Create(path);
  ASSERT_OK((*file)->Write("whole"));
  ASSERT_OK((*file)->Commit());
  EXPECT_EQ(ReadFile(path), "whole");
}

TEST_F(ExportCliTest, SqlRunsInSqlite) {
  ASSERT_EQ(Engramctl({"export", "notes", "--format", "sql"}), 0);
  const auto database = *sqlite::Connection::Open(directory_.File("notes.db"),
                                                  sqlite::Access::kReadWrite);
  ASSERT_OK(database->Execute(output_));
  EXPECT_EQ(*database->QueryInt("SELECT sum(stars) FROM notes"), 4);
}

}  // namespace
}  // namespace engram::engramctl
