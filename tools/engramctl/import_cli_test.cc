#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ImportCliTest : public testing::CliFixture {};

TEST_F(ImportCliTest, ImportsAndPrintsWhatItDid) {
  CreateNotes();
  const std::string file =
      WriteFile("notes.jsonl",
                "{\"id\":\"a\",\"title\":\"A\"}\n"
                "{\"id\":\"b\",\"title\":\"B\",\"stars\":1}\n");
  EXPECT_EQ(Engramctl({"import", "notes", file}), 0) << errors_;
  EXPECT_THAT(output_, AllOf(StartsWith("2 records, 56 B in "),
                             HasSubstr("\nposition default@")));
  EXPECT_EQ(Engramctl({"import", "notes", file, "--json", "--wait"}), 0);
  const auto summary = Json().fields();
  EXPECT_EQ(summary.at("records").number_value(), 2);
  EXPECT_EQ(summary.at("bytes").number_value(), 56);
  EXPECT_TRUE(summary.at("complete").bool_value());
  EXPECT_TRUE(summary.contains("searchable_seconds"));
  absl::MutexLock lock(&engram_.indexes.mutex);
  EXPECT_THAT(engram_.indexes.awaited,
              ElementsAre(summary.at("position").string_value()));
}

TEST_F(ImportCliTest, WhatIsRejectedIsWrittenAsideWithItsLineAndReason) {
  CreateNotes();
  const std::string good = "{\"id\":\"a\",\"title\":\"A\"}\n";
  const std::string bad = R"({"id":"b","title":"B","stars":6})";
  const std::string file =
      WriteFile("some.jsonl", good + "oops\n" + bad + "\n" + good);
  EXPECT_EQ(Engramctl({"import", "notes", file}), 3) << errors_;
  EXPECT_THAT(output_, AllOf(StartsWith("2 records, "),
                             HasSubstr("\n2 rejected: see " + file +
                                       ".rejects.jsonl\n")));
  EXPECT_EQ(ReadFile(file + ".rejects.jsonl"),
            "{\"line\":2,\"reason\":\"is not a JSON object\","
            "\"text\":\"oops\"}\n"
            "{\"line\":3,\"reason\":\"fields.stars: is 6; at most 5 is "
            "allowed\",\"text\":\"{\\\"id\\\":\\\"b\\\",\\\"title\\\":"
            "\\\"B\\\",\\\"stars\\\":6}\"}\n");
  EXPECT_EQ(Engramctl({"get", "notes", "b"}), 1);
  EXPECT_FALSE(std::filesystem::exists(file + ".import-state"));

  const std::string rejects = directory_.File("r.jsonl");
  EXPECT_EQ(Engramctl({"import", "notes", "-", "--json", "--rejects", rejects},
                      good + bad),
            3);
  EXPECT_EQ(Json().fields().at("records").number_value(), 1);
  EXPECT_EQ(Json().fields().at("rejected").number_value(), 1);
  EXPECT_EQ(Json().fields().at("rejects").string_value(), rejects);
  // Nobody's file is overwritten.
  EXPECT_EQ(Engramctl({"import", "notes", "-", "--rejects", rejects}, good), 1);
  EXPECT_THAT(errors_, HasSubstr("exists"));
}

TEST_F(ImportCliTest, AnInterruptedImportGoesOn) {
  CreateNotes();
  // An array that ends too early interrupts it after 30 records.
  std::string array = "[";
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&array, "{\"title\":\"t", i, "\"},\n");
  }
  const std::string file = WriteFile("notes.json", array);
  EXPECT_EQ(Engramctl({"import", "notes", file}), 1);
  EXPECT_THAT(errors_,
              AllOf(HasSubstr("30 records are stored, all up to line 30; "
                              "--resume goes on from there\n"),
                    HasSubstr("ends in the middle of the array")));
  WriteFile("notes.json", array + "{\"title\":\"last\"}]");
  EXPECT_EQ(Engramctl({"import", "notes", file}), 1);
  EXPECT_THAT(errors_, HasSubstr("--resume goes on from there"));
  EXPECT_EQ(Engramctl({"import", "notes", file, "--resume"}), 0) << errors_;
  EXPECT_THAT(output_, AllOf(StartsWith("1 records, "),
                             HasSubstr("\n30 more had been imported before")));
  ASSERT_EQ(Engramctl({"list", "notes", "--limit", "0", "--json"}), 0);
  EXPECT_EQ(std::count(output_.begin(), output_.end(), '\n'), 31);
}

TEST_F(ImportCliTest, ImportsCsvWithTheTypesOfTheFields) {
  CreateNotes();
  const std::string file = WriteFile(
      "notes.csv", "id,title,stars,content\nn1,5,3,\"two\nlines\"\nn2,x,,\n");
  EXPECT_EQ(Engramctl({"import", "notes", file}), 0) << errors_;
  EXPECT_EQ(Engramctl({"list", "notes", "--json"}), 0);
  EXPECT_THAT(
      std::vector<std::string>(absl::StrSplit(output_, '\n')),
      ElementsAre(
          HasSubstr(
              R"("fields":{"content":"two\nlines","stars":3,"title":"5"})"),
          HasSubstr(R"({"id":"n2","fields":{"title":"x"})"), ""));
  EXPECT_EQ(Engramctl({"import", "notes", "-", "--format", "csv"}, "nope\n1\n"),
            1);
  EXPECT_THAT(errors_, HasSubstr("stdin: the header names \"nope\""));
}

TEST_F(ImportCliTest, AnImportIntoNoCollectionReadsNothing) {
  EXPECT_EQ(Engramctl({"import", "notes", "-"}, "oops\n"), 1);
  EXPECT_THAT(errors_, StartsWith("error: NOT_FOUND (COLLECTION_UNKNOWN)"));
}

TEST_F(ImportCliTest, ARecordThatIsTooLargeIsRejectedWithTheRemedy) {
  CreateNotes();
  const std::string file =
      WriteFile("large.jsonl", absl::StrCat("{\"title\":\"x\",\"content\":\"",
                                            std::string(2 << 20, 'x'),
                                            "\"}\n{\"title\":\"y\"}\n"));
  EXPECT_EQ(Engramctl({"import", "notes", file}), 3);
  EXPECT_THAT(output_, StartsWith("1 records, "));
  EXPECT_THAT(ReadFile(file + ".rejects.jsonl").substr(0, 300),
              AllOf(StartsWith("{\"line\":1,"), HasSubstr("larger than max"),
                    HasSubstr("--max-message-bytes")));
}

}  // namespace
}  // namespace engram::engramctl
