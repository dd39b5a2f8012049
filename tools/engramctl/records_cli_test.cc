#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class RecordsCliTest : public testing::CliFixture {};

TEST_F(RecordsCliTest, PutsGetsListsAndDeletesRecords) {
  CreateNotes();
  EXPECT_EQ(
      Engramctl({"put", "notes",
                 R"({"id":"n1","title":"Tea","content":"Ada\nlikes it"})"}),
      0);
  EXPECT_THAT(output_,
              StartsWith("created    n1 (version 1)\nposition   default@"));
  EXPECT_EQ(Engramctl({"put", "notes", "-"},
                      R"({"id":"n2","title":"Ink","stars":5})"),
            0);

  EXPECT_EQ(Engramctl({"get", "notes", "n1"}), 0);
  EXPECT_THAT(output_, StartsWith("id       n1\n"
                                  "title    Tea\n"
                                  "content  Ada likes it\n"
                                  "version  1\n"));
  EXPECT_EQ(Engramctl({"get", "notes", "n2", "--json", "--fields", "stars"}),
            0);
  EXPECT_THAT(output_,
              StartsWith(R"({"id":"n2","fields":{"stars":5},"version":1)"));

  EXPECT_EQ(Engramctl({"list", "notes"}), 0);
  EXPECT_EQ(output_,
            "ID  title  content       stars\n"
            "n1  Tea    Ada likes it\n"
            "n2  Ink                  5\n");
  EXPECT_EQ(Engramctl({"list", "notes", "--limit", "1", "--json"}), 0);
  EXPECT_THAT(std::vector<std::string>(absl::StrSplit(output_, '\n')),
              ElementsAre(StartsWith(R"({"id":"n1",)"), ""));

  EXPECT_EQ(Engramctl({"delete", "notes", "n1", "n2", "--json"}), 0);
  EXPECT_THAT(
      output_,
      StartsWith(R"({"results":[{"id":"n1","version":0,"outcome":"deleted"})"));
  EXPECT_EQ(Engramctl({"list", "notes", "--json"}), 0);
  EXPECT_THAT(output_, IsEmpty());
}

TEST_F(RecordsCliTest, AListGoesOnOverPages) {
  CreateNotes();
  std::string lines;
  for (int i = 0; i < 1200; ++i) absl::StrAppend(&lines, "{\"title\":\"t\"}\n");
  ASSERT_EQ(Engramctl({"import", "notes", "-"}, lines), 0) << errors_;
  const auto count = [&] {
    return std::count(output_.begin(), output_.end(), '\n');
  };
  ASSERT_EQ(Engramctl({"list", "notes", "--limit", "0", "--json"}), 0);
  EXPECT_EQ(count(), 1200);
  ASSERT_EQ(Engramctl({"list", "notes", "--limit", "700", "--json"}), 0);
  EXPECT_EQ(count(), 700);
}

TEST_F(RecordsCliTest, AListIsFilteredOrderedAndCounted) {
  CreateNotes();
  std::string lines;
  for (int i = 1; i <= 5; ++i) {
    absl::StrAppend(&lines, R"({"id":"n)", i, R"(","title":"t)", i % 2,
                    R"(","stars":)", i, "}\n");
  }
  ASSERT_EQ(Engramctl({"import", "notes", "-"}, lines), 0) << errors_;
  EXPECT_EQ(Engramctl({"list", "notes", "--fields", "stars", "--filter",
                       "stars > :n", "--param", "n=1", "--order-by",
                       "title desc, stars", "--total", "--limit", "3"}),
            0)
      << errors_;
  EXPECT_EQ(output_,
            "ID  stars\n"
            "n3  3\n"
            "n5  5\n"
            "n2  2\n"
            "4 in all\n");
  EXPECT_EQ(Engramctl({"list", "notes", "--fields", "id", "--order-by",
                       "_row desc", "--limit", "2", "--reverse"}),
            0)
      << errors_;
  EXPECT_EQ(output_, "ID\nn4\nn5\n");
  EXPECT_EQ(Engramctl({"list", "notes", "--random", "--limit", "3", "--json",
                       "--total"}),
            0)
      << errors_;
  EXPECT_EQ(std::count(output_.begin(), output_.end(), '\n'), 4);
  EXPECT_THAT(output_, HasSubstr("\n{\"total_size\":5}\n"));
}

TEST_F(RecordsCliTest, AListSaysWhatItCannotDo) {
  CreateNotes();
  EXPECT_EQ(Engramctl({"list", "notes", "--filter", "starz > 1"}), 1);
  EXPECT_THAT(errors_, HasSubstr("filter: column 1"));
  EXPECT_EQ(Engramctl({"list", "notes", "--order-by", "starz"}), 1);
  EXPECT_THAT(errors_, HasSubstr("did you mean \"stars\"?"));
  EXPECT_EQ(Engramctl({"list", "notes", "--random", "--limit", "0"}), 1);
  EXPECT_THAT(errors_, HasSubstr("--limit: wants 1 to 1000 with --random"));
  EXPECT_EQ(Engramctl({"list", "notes", "--reverse", "--limit", "1001"}), 1);
  EXPECT_THAT(errors_, HasSubstr("--limit: wants 1 to 1000 with --reverse"));
  EXPECT_EQ(Engramctl({"list", "notes", "--random", "--order-by", "stars"}), 2);
}

TEST_F(RecordsCliTest, WhatAServerRefusesIsPrintedWithItsField) {
  CreateNotes();
  EXPECT_EQ(Engramctl({"put", "notes",
                       R"({"id":"n","title":"x","stars":9,"stras":1})"}),
            1);
  EXPECT_EQ(
      errors_,
      "error: INVALID_ARGUMENT (FIELD_INVALID)\n"
      "  items[0].upsert.fields.stars: is 9; at most 5 is allowed\n"
      "  items[0].upsert.fields.stras: no field \"stras\" in the collection "
      "\"notes\"; did you mean \"stars\"?\n");
  EXPECT_EQ(Engramctl({"get", "notes", "nobody", "--json"}), 1);
  EXPECT_THAT(
      errors_,
      StartsWith(R"({"error":{"code":"NOT_FOUND","reason":"RECORD_UNKNOWN")"));
  EXPECT_EQ(Engramctl({"put", "notes", "{"}), 1);
  EXPECT_THAT(errors_, HasSubstr("the record: is not JSON"));
}

// A status that does not fit the metadata arrives as another error.
TEST_F(RecordsCliTest, AsManyMistakesAsThereAreStillArriveAsOneError) {
  CreateNotes();
  std::string record = "{\"title\":\"x\"";
  for (int i = 0; i < 5000; ++i) {
    absl::StrAppend(&record, ",\"", std::string(60, 'x'), i, "üüü\":1");
  }
  EXPECT_EQ(Engramctl({"put", "notes", record + "}"}), 1);
  EXPECT_THAT(errors_,
              AllOf(StartsWith("error: INVALID_ARGUMENT (FIELD_INVALID)"),
                    ContainsRegex("\n  and 4,9[0-9][0-9] more\n")));
}

constexpr char kTasks[] = R"(
collection: tasks
fields:
  title:   {type: string, required: true, unique: true}
  state:   {type: string, default: open}
  views:   {type: int, default: 0}
  score:   {type: double}
  tags:    {type: strings}
  seen_at: {type: timestamp}
soft_delete: true
history: true
)";

TEST_F(RecordsCliTest, PutCreatesReplacesAndHoldsToConditions) {
  Apply(kTasks);
  EXPECT_EQ(Engramctl({"put", "tasks", "--create",
                       R"({"id":"t1","title":"A","score":9007199254740993})"}),
            0)
      << errors_;
  EXPECT_EQ(
      Engramctl({"put", "tasks", "--create", R"({"id":"t1","title":"B"})"}), 1);
  EXPECT_THAT(errors_, HasSubstr("ALREADY_EXISTS"));
  EXPECT_EQ(
      Engramctl({"put", "tasks", "--replace", R"({"id":"t1","title":"A"})"}),
      0);
  EXPECT_THAT(output_, StartsWith("updated    t1 (version 2)\n"));
  EXPECT_EQ(Engramctl({"put", "tasks", R"({"id":"t1","state":"done"})",
                       "--if-version", "1"}),
            1);
  EXPECT_THAT(errors_, HasSubstr("VERSION_MISMATCH"));
  EXPECT_EQ(Engramctl({"put", "tasks", R"({"id":"t1","state":"done"})", "--if",
                       "state = :was", "--param", "was=done"}),
            1);
  EXPECT_THAT(errors_, HasSubstr("CONDITION_UNMET"));
  EXPECT_EQ(Engramctl({"put", "tasks", R"({"id":"t1","state":"open"})"}), 0);
  EXPECT_THAT(output_, StartsWith("unchanged  t1 (version 2)\n"));
}

TEST_F(RecordsCliTest, UpdateChangesFieldsAndComputes) {
  Apply(kTasks);
  ASSERT_EQ(Engramctl({"put", "tasks",
                       R"({"id":"t1","title":"5","score":1,"tags":["a"]})"}),
            0);
  EXPECT_EQ(Engramctl({"update", "tasks", "t1", "--set", "title=6", "--clear",
                       "score", "--increment", "views=2", "--append", "tags=b",
                       "--append", "tags=c", "--append-unique", "tags=a",
                       "--now", "seen_at", "--set-if-absent", "state=never"}),
            0)
      << errors_;
  ASSERT_EQ(Engramctl({"get", "tasks", "t1", "--json"}), 0);
  EXPECT_THAT(
      output_,
      AllOf(HasSubstr(R"("title":"6")"), HasSubstr(R"("views":2)"),
            HasSubstr(R"("tags":["a","b","c"])"),
            HasSubstr(R"("state":"open")"), HasSubstr(R"("seen_at":"20)")));
  EXPECT_THAT(output_, ::testing::Not(HasSubstr("score")));

  EXPECT_EQ(Engramctl({"update", "tasks", "t1", "--remove", "tags=b",
                       "--expression", "score=views * 2"}),
            0)
      << errors_;
  ASSERT_EQ(Engramctl({"get", "tasks", "t1", "--json"}), 0);
  EXPECT_THAT(output_, AllOf(HasSubstr(R"("tags":["a","c"])"),
                             HasSubstr(R"("score":4)")));
}

TEST_F(RecordsCliTest, UpdateSaysWhatIsWrongBeforeItAsks) {
  Apply(kTasks);
  EXPECT_EQ(Engramctl({"update", "tasks", "t1", "--set", "titel=x"}), 1);
  EXPECT_THAT(errors_, HasSubstr("did you mean \"title\"?"));
  EXPECT_EQ(Engramctl({"update", "tasks", "t1", "--increment", "views=x"}), 1);
  EXPECT_THAT(errors_, HasSubstr("--increment views: wants an int; got \"x\""));
  EXPECT_EQ(Engramctl({"update", "tasks", "t1", "--set", "title"}), 1);
  EXPECT_THAT(errors_, HasSubstr("--set wants NAME=VALUE"));
  EXPECT_EQ(Engramctl({"update", "tasks", "t1"}), 1);
  EXPECT_THAT(errors_, HasSubstr("nothing to change"));
  EXPECT_EQ(Engramctl({"update", "tasks", "t1", "--set", "views=1"}), 1);
  EXPECT_THAT(errors_, HasSubstr("NOT_FOUND"));
}

TEST_F(RecordsCliTest, ManyRecordsChangeAndGoByAFilter) {
  Apply(kTasks);
  ASSERT_EQ(Engramctl({"schema", "apply", "-"},
                      "collection: old_tasks\nfields: {title: {type: string}, "
                      "state: {type: string}, views: {type: int}, score: "
                      "{type: double}, tags: {type: strings}, seen_at: {type: "
                      "timestamp}}\n"),
            0)
      << errors_;
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_EQ(Engramctl({"put", "tasks",
                         absl::StrCat(R"({"id":")", id, R"(","title":")", id,
                                      R"("})")}),
              0);
  }
  EXPECT_EQ(Engramctl({"update", "tasks", "--where", "title != :not", "--param",
                       "not=a", "--set", "state=done", "--dry-run"}),
            0)
      << errors_;
  EXPECT_THAT(output_,
              StartsWith("matched    2\ndry run: nothing is changed\n"));
  EXPECT_EQ(Engramctl({"update", "tasks", "--where", "title != \"a\"", "--set",
                       "state=done", "--json"}),
            0);
  EXPECT_THAT(output_, StartsWith(R"({"matched":2,"updated":2,"position":)"));

  EXPECT_EQ(Engramctl({"delete", "tasks", "--where", "state = \"done\"",
                       "--dry-run"}),
            0)
      << errors_;
  EXPECT_THAT(
      output_,
      StartsWith("matched    2 records\ndry run: nothing is deleted\n"));
  EXPECT_EQ(Engramctl({"delete", "tasks", "--where", "state = \"done\"",
                       "--archive-to", "old_tasks", "--purge"}),
            0)
      << errors_;
  EXPECT_THAT(output_, HasSubstr("deleted    2 records\n"));
  ASSERT_EQ(Engramctl({"list", "old_tasks", "--json"}), 0);
  EXPECT_EQ(std::count(output_.begin(), output_.end(), '\n'), 2);
  EXPECT_EQ(Engramctl({"delete", "tasks", "--where", "titel = 1"}), 1);
  EXPECT_THAT(errors_, HasSubstr("INVALID_ARGUMENT"));
}

TEST_F(RecordsCliTest, WhatWasDeletedOrChangedIsRestored) {
  Apply(kTasks);
  ASSERT_EQ(Engramctl({"put", "tasks", R"({"id":"t1","title":"first"})"}), 0);
  ASSERT_EQ(Engramctl({"put", "tasks", R"({"id":"t1","title":"second"})"}), 0);
  EXPECT_EQ(Engramctl({"restore", "tasks", "t1", "--version", "1"}), 0)
      << errors_;
  EXPECT_THAT(output_, StartsWith("updated    t1 (version 3)\n"));
  ASSERT_EQ(Engramctl({"get", "tasks", "t1"}), 0);
  EXPECT_THAT(output_, HasSubstr("first"));

  ASSERT_EQ(Engramctl({"delete", "tasks", "t1"}), 0);
  EXPECT_EQ(Engramctl({"get", "tasks", "t1"}), 1);
  EXPECT_EQ(Engramctl({"restore", "tasks", "t1"}), 0) << errors_;
  EXPECT_EQ(Engramctl({"get", "tasks", "t1"}), 0);
  EXPECT_EQ(Engramctl({"delete", "tasks", "t1", "--purge"}), 0);
  EXPECT_EQ(Engramctl({"sweep", "tasks"}), 0) << errors_;
  EXPECT_EQ(output_, "expired    0 records\npurged     0 records\n");
}

}  // namespace
}  // namespace engram::engramctl
