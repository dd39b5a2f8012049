#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kNotes;
using ::testing::Not;
using ::testing::StartsWith;

class SchemaCliTest : public testing::CliFixture {};

TEST_F(SchemaCliTest, AppliesASchemaOnceAndSaysSo) {
  CreateNotes();
  EXPECT_EQ(output_, "created    notes\n");
  EXPECT_EQ(Engramctl({"schema", "apply", WriteFile("notes.yaml", kNotes)}), 0);
  EXPECT_EQ(output_, "unchanged  notes\n");
  EXPECT_EQ(Engramctl({"--json", "schema", "apply", "-"}, kNotes), 0);
  EXPECT_THAT(
      output_,
      StartsWith(R"({"created":[],"changed":[],"unchanged":["notes"],)"));
}

TEST_F(SchemaCliTest, ASchemaWaitsForTheFirstModels) {
  std::thread embedding_starts([this] { engram_.RegisterModel(); });
  EXPECT_EQ(Engramctl({"schema", "apply", "-"}, kNotes), 0) << errors_;
  embedding_starts.join();
}

TEST_F(SchemaCliTest, ASchemaThatNamesAnUnknownModelIsRefusedAtOnce) {
  engram_.RegisterModel();
  EXPECT_EQ(Engramctl({"schema", "apply", "-"},
                      "{collection: c, fields: {f: {type: text}}, "
                      "vectors: {v: {source: [f], model: other/model}}}"),
            1);
  EXPECT_THAT(errors_, AllOf(HasSubstr("FAILED_PRECONDITION (MODEL_UNKNOWN)"),
                             HasSubstr("test/model")));
}

TEST_F(SchemaCliTest, MistakesInASchemaAreOneALine) {
  const std::string file =
      WriteFile("bad.yaml", "collection: c\nfields: {f: {type: txt}, g: {}}\n");
  EXPECT_EQ(Engramctl({"schema", "apply", file}), 1);
  EXPECT_THAT(errors_,
              AllOf(StartsWith("error: INVALID_ARGUMENT (FIELD_INVALID)\n"),
                    HasSubstr(".f.type: " + file + ":2:20: is no type"),
                    HasSubstr("\n  target.documents[0].fields.g.type: " + file +
                              ":2:29: ")));
  EXPECT_EQ(Engramctl({"schema", "apply", "-"}, "a: [\n"), 1);
  EXPECT_THAT(errors_, HasSubstr("stdin:1:5: malformed YAML"));
}

TEST_F(SchemaCliTest, AFileThatCannotBeReadIsNamed) {
  EXPECT_EQ(Engramctl({"schema", "apply", "/no/such.yaml"}), 1);
  EXPECT_THAT(errors_, HasSubstr("error: NOT_FOUND: /no/such.yaml"));
  EXPECT_EQ(Engramctl({"schema", "apply", directory_.path()}), 1);
  EXPECT_THAT(errors_, HasSubstr("has no .yaml and no .yml file"));
}

constexpr char kSessions[] = R"(
collection: sessions
fields:
  name:  {type: string}
  user:  {type: string}
)";
constexpr char kMessages[] = R"(
collection: messages
fields:
  session: {type: ref(sessions), on_delete: cascade}
  text:    {type: text, required: true}
)";

TEST_F(SchemaCliTest, AFolderIsOneUnitWhoseDocumentsReferToEachOther) {
  WriteFile("a_messages.yaml", kMessages);
  WriteFile("b_sessions.yml", kSessions);
  WriteFile("notes.txt", "not a schema");
  EXPECT_EQ(Engramctl({"schema", "apply", "-f", directory_.path()}), 0)
      << errors_;
  EXPECT_THAT(output_, AllOf(HasSubstr("created    messages\n"),
                             HasSubstr("created    sessions\n")));
}

TEST_F(SchemaCliTest, APlanSaysWhatApplyingWouldDoAndDoesNothing) {
  Apply(kSessions);
  const std::string changed = WriteFile(
      "s.yaml",
      "collection: sessions\nfields: {name: {type: string}, score: {type: "
      "double}}\n");
  EXPECT_EQ(Engramctl({"schema", "plan", "-f", changed}), 0) << errors_;
  EXPECT_THAT(output_, AllOf(StartsWith("sessions\n"), HasSubstr("score"),
                             HasSubstr("\n! "), HasSubstr("destroys data"),
                             HasSubstr("1 of them destroying data: apply needs "
                                       "--allow-destructive\n")));
  EXPECT_EQ(Engramctl({"schema", "plan", "-f", changed, "--check"}), 3);
  EXPECT_EQ(Engramctl({"schema", "plan", "-", "--check"}, kSessions), 0);
  EXPECT_EQ(output_, "nothing to do: everything is as declared\n");

  EXPECT_EQ(Engramctl({"schema", "apply", changed}), 1);
  EXPECT_THAT(errors_, HasSubstr("DESTRUCTIVE_CHANGE"));
  EXPECT_EQ(Engramctl({"schema", "apply", changed, "--allow-destructive"}), 0);
  EXPECT_THAT(output_,
              AllOf(StartsWith("changed    sessions\n"),
                    HasSubstr("(destroys data"), HasSubstr("\nbackup     ")));
}

TEST_F(SchemaCliTest, ASavedPlanIsAppliedAsReviewedOrNotAtAll) {
  Apply(kSessions);
  const std::string with_score =
      WriteFile("s.yaml", std::string(kSessions) + "  score: {type: double}\n");
  const std::string plan = directory_.File("plan.json");
  ASSERT_EQ(Engramctl({"schema", "plan", with_score, "--out", plan}), 0);
  EXPECT_THAT(output_, HasSubstr("saved to " + plan));
  const std::string stale = directory_.File("stale.json");
  ASSERT_EQ(Engramctl({"schema", "plan", with_score, "--out", stale}), 0);

  EXPECT_EQ(Engramctl({"schema", "apply", "--plan", plan}), 0) << errors_;
  EXPECT_THAT(output_, StartsWith("changed    sessions\n"));
  // By now it would drop a field too.
  ASSERT_EQ(Engramctl({"schema", "apply", "-", "--allow-destructive"},
                      std::string(kSessions) + "  other: {type: int}\n"),
            0);
  EXPECT_EQ(Engramctl({"schema", "apply", "--plan", stale}), 1);
  EXPECT_THAT(errors_, HasSubstr("SCHEMA_CHANGED"));
  EXPECT_EQ(
      Engramctl({"schema", "apply", "--plan", plan, "--database", "other"}), 1);
  EXPECT_THAT(errors_, HasSubstr("is a plan for the database \"default\""));
  EXPECT_EQ(Engramctl({"schema", "apply", "--plan", with_score}), 1);
  EXPECT_THAT(errors_, HasSubstr(with_score + ": is not a JSON object"));
}

TEST_F(SchemaCliTest, AnEarlierVersionIsListedAndAppliedAgain) {
  Apply(kSessions);
  ASSERT_EQ(Engramctl({"schema", "apply", "-"},
                      std::string(kSessions) + "  score: {type: double}\n"),
            0);
  EXPECT_EQ(Engramctl({"schema", "history"}), 0);
  EXPECT_THAT(output_,
              AllOf(StartsWith("version 2  20"), HasSubstr("\n  sessions: "),
                    HasSubstr("\nversion 1  20")));
  EXPECT_EQ(Engramctl({"schema", "history", "--limit", "1", "--json"}), 0);
  EXPECT_EQ(Json().fields().at("version").number_value(), 2);

  EXPECT_EQ(Engramctl({"schema", "plan", "--version", "1"}), 0) << errors_;
  EXPECT_THAT(output_, HasSubstr("score"));
  EXPECT_EQ(
      Engramctl({"schema", "apply", "--version", "1", "--allow-destructive"}),
      0)
      << errors_;
  EXPECT_EQ(Engramctl({"schema", "show", "sessions"}), 0);
  EXPECT_THAT(output_, Not(HasSubstr("score")));
}

TEST_F(SchemaCliTest, PruneDropsWhatNoDocumentDeclares) {
  Apply(kSessions);
  ASSERT_EQ(Engramctl({"schema", "apply", "-"}, kMessages), 0) << errors_;
  EXPECT_EQ(
      Engramctl({"schema", "apply", "-", "--prune", "--allow-destructive"},
                kSessions),
      0)
      << errors_;
  EXPECT_EQ(output_.substr(0, output_.find("backup")),
            "unchanged  sessions\ndropped    messages\n");
}

TEST_F(SchemaCliTest, ShowsCollectionsAndTheirDocuments) {
  Apply(kSessions);
  EXPECT_EQ(Engramctl({"schema", "show"}), 0);
  EXPECT_THAT(output_, AllOf(StartsWith("COLLECTION  FIELDS  VECTORS"),
                             HasSubstr("\nsessions         2 ")));
  EXPECT_EQ(Engramctl({"schema", "show", "sessions"}), 0);
  EXPECT_EQ(output_, kSessions);
  EXPECT_EQ(Engramctl({"schema", "show", "sessions", "--json"}), 0);
  EXPECT_THAT(output_,
              HasSubstr(R"({"name":"user","type":"string","number":2)"));
}

TEST_F(SchemaCliTest, WritesTheProtosOfTypedClients) {
  Apply(kSessions);
  EXPECT_EQ(Engramctl({"schema", "proto", "sessions"}), 0) << errors_;
  EXPECT_THAT(output_, AllOf(HasSubstr("package engram.records;"),
                             HasSubstr("message Sessions {"),
                             HasSubstr("  optional string user = 2;\n")));
  const std::string text = output_;
  EXPECT_EQ(Engramctl({"schema", "proto", "-o", directory_.File("gen")}), 0);
  EXPECT_EQ(ReadFile(directory_.File("gen/engram/records/sessions.proto")),
            text);
}

}  // namespace
}  // namespace engram::engramctl
