#include "tools/engramctl/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "tools/engramctl/testing/test_engram.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title:   {type: string, required: true}
  content: {type: text}
  stars:   {type: int, min: 0, max: 5}
vectors:
  text: {source: [title, content]}
)";

class CliTest : public ::testing::Test {
 protected:
  // Runs a command line against the test's Engram; `output_` and `errors_` are
  // what it printed.
  int Engramctl(std::vector<std::string> arguments,
                const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    Console console{.in = in, .out = out, .err = err};
    console.out_terminal.width = 80;
    arguments.insert(arguments.begin(), {"--server", engram_.address()});
    const int code = RunCommandLine(arguments, console);
    output_ = out.str();
    errors_ = err.str();
    return code;
  }

  // The one JSON object that was printed to `output_`.
  google::protobuf::Struct Json() {
    google::protobuf::Struct object;
    json::Parser parser;
    EXPECT_OK(parser.ParseObject(output_, &object)) << output_;
    return object;
  }

  std::string WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(directory_.File(name)) << text;
    return directory_.File(name);
  }

  void CreateNotes() {
    engram_.RegisterModel();
    ASSERT_EQ(Engramctl({"schema", "apply", "-"}, kNotes), 0) << errors_;
  }

  testing::TestEngram engram_;
  engram::testing::TempDirectory directory_;
  std::string output_;
  std::string errors_;
};

TEST_F(CliTest, ACommandLineThatMakesNoSenseIsCode2) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{
           {},
           {"serch"},
           {"search", "notes"},
           {"search", "notes", "x", "--limit", "0"},
           {"status", "--nope"},
           {"status", "--timeout", "soon"}}) {
    EXPECT_EQ(Engramctl(arguments), 2);
    EXPECT_THAT(errors_, HasSubstr("--help"));
  }
}

TEST_F(CliTest, EveryCommandExplainsItselfWithExamples) {
  EXPECT_EQ(Engramctl({"--version"}), 0);
  EXPECT_THAT(output_, StartsWith("engramctl "));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{},
                                             {"schema", "apply"},
                                             {"import"},
                                             {"search"},
                                             {"get"},
                                             {"list"},
                                             {"put"},
                                             {"delete"},
                                             {"status"},
                                             {"index", "list"},
                                             {"index", "verify"},
                                             {"models"},
                                             {"db", "create"},
                                             {"db", "list"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    EXPECT_EQ(Engramctl(arguments), 0);
    EXPECT_THAT(output_, HasSubstr("Examples:\n  engramctl "));
  }
}

TEST_F(CliTest, AppliesASchemaOnceAndSaysSo) {
  CreateNotes();
  EXPECT_EQ(output_, "created    notes\n");
  EXPECT_EQ(Engramctl({"schema", "apply", WriteFile("notes.yaml", kNotes)}), 0);
  EXPECT_EQ(output_, "unchanged  notes\n");
  EXPECT_EQ(Engramctl({"--json", "schema", "apply", "-"}, kNotes), 0);
  EXPECT_THAT(output_,
              StartsWith(R"({"created":[],"unchanged":["notes"],"po)"));
}

TEST_F(CliTest, ASchemaWaitsForTheFirstModels) {
  std::thread embedding_starts([this] { engram_.RegisterModel(); });
  EXPECT_EQ(Engramctl({"schema", "apply", "-"}, kNotes), 0) << errors_;
  embedding_starts.join();
}

TEST_F(CliTest, ASchemaThatNamesAnUnknownModelIsRefusedAtOnce) {
  engram_.RegisterModel();
  EXPECT_EQ(Engramctl({"schema", "apply", "-"},
                      "{collection: c, fields: {f: {type: text}}, "
                      "vectors: {v: {source: [f], model: other/model}}}"),
            1);
  EXPECT_THAT(errors_, AllOf(HasSubstr("FAILED_PRECONDITION (MODEL_UNKNOWN)"),
                             HasSubstr("test/model")));
}

TEST_F(CliTest, MistakesInASchemaAreOneALine) {
  const std::string file =
      WriteFile("bad.yaml", "collection: c\nfields: {f: {type: txt}, g: {}}\n");
  EXPECT_EQ(Engramctl({"schema", "apply", file}), 1);
  EXPECT_THAT(
      errors_,
      AllOf(StartsWith("error: INVALID_ARGUMENT (FIELD_INVALID)\n"),
            HasSubstr(".f.type: " + file + ":2:20: is no type"),
            HasSubstr("\n  documents[0].fields.g.type: " + file + ":2:29: ")));
  EXPECT_EQ(Engramctl({"schema", "apply", "-"}, "a: [\n"), 1);
  EXPECT_THAT(errors_, HasSubstr("stdin:1:5: malformed YAML"));
}

TEST_F(CliTest, AFileThatCannotBeReadIsNamed) {
  EXPECT_EQ(Engramctl({"schema", "apply", "/no/such.yaml"}), 1);
  EXPECT_THAT(errors_, HasSubstr("error: NOT_FOUND: /no/such.yaml"));
  EXPECT_EQ(Engramctl({"schema", "apply", directory_.path()}), 1);
  EXPECT_THAT(errors_, HasSubstr("is a folder"));
}

TEST_F(CliTest, PutsGetsListsAndDeletesRecords) {
  CreateNotes();
  EXPECT_EQ(
      Engramctl({"put", "notes",
                 R"({"id":"n1","title":"Tea","content":"Ada\nlikes it"})"}),
      0);
  EXPECT_THAT(output_, StartsWith("stored     n1\nposition   default@"));
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
  EXPECT_THAT(output_, StartsWith(R"({"results":[{"id":"n1","version":0})"));
  EXPECT_EQ(Engramctl({"list", "notes", "--json"}), 0);
  EXPECT_THAT(output_, IsEmpty());
}

TEST_F(CliTest, AListGoesOnOverPages) {
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

TEST_F(CliTest, WhatAServerRefusesIsPrintedWithItsField) {
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
TEST_F(CliTest, AsManyMistakesAsThereAreStillArriveAsOneError) {
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

TEST_F(CliTest, ImportsAndPrintsWhatItDid) {
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

TEST_F(CliTest, AnImportThatFailsNamesTheLineAndWhatIsStored) {
  CreateNotes();
  const std::string good = "{\"id\":\"a\",\"title\":\"A\"}\n";
  const std::string file =
      WriteFile("bad.jsonl", good + good + "oops\n" + good);
  EXPECT_EQ(Engramctl({"import", "notes", file}), 1);
  EXPECT_EQ(errors_,
            "2 records are stored: all up to line 2\n"
            "error: INVALID_ARGUMENT: " +
                file + ":3: is not a JSON object\n");

  EXPECT_EQ(Engramctl({"import", "notes", "-", "--json"},
                      good + "{\"id\":\"b\",\"title\":\"B\",\"stars\":6}\n"),
            1);
  EXPECT_EQ(Json().fields().at("complete_to_line").number_value(), 1);
  EXPECT_FALSE(Json().fields().at("complete").bool_value());
  EXPECT_THAT(errors_, HasSubstr(R"("field":"stdin:2: fields.stars")"));
  EXPECT_EQ(Engramctl({"get", "notes", "b"}), 1);
}

TEST_F(CliTest, AnImportIntoNoCollectionReadsNothing) {
  EXPECT_EQ(Engramctl({"import", "notes", "-"}, "oops\n"), 1);
  EXPECT_THAT(errors_, StartsWith("error: NOT_FOUND (COLLECTION_UNKNOWN)"));
}

TEST_F(CliTest, AMessageThatIsTooLargeComesWithTheRemedy) {
  CreateNotes();
  const std::string line = absl::StrCat("{\"title\":\"x\",\"content\":\"",
                                        std::string(2 << 20, 'x'), "\"}");
  EXPECT_EQ(Engramctl({"import", "notes", "-"}, line), 1);
  EXPECT_THAT(
      errors_,
      AllOf(HasSubstr("RESOURCE_EXHAUSTED"), HasSubstr("lines 1 to 1"),
            HasSubstr("--batch-bytes"), HasSubstr("--max-message-bytes")));
}

TEST_F(CliTest, ShowsWhatSearchFound) {
  CreateNotes();
  for (const auto& [id, title, score] :
       {std::tuple("n1", "Tea at five", 0.912f),
        std::tuple("n2", "茶", 0.5f)}) {
    auto* hit = engram_.search.answer.add_hits();
    hit->set_id(id);
    hit->set_score(score);
    auto& fields = *hit->mutable_record()->mutable_fields()->mutable_fields();
    fields["title"].set_string_value(title);
  }
  EXPECT_EQ(Engramctl({"search", "notes", "what", "to", "drink", "--limit", "2",
                       "--min-position", "default@0000000000000001.5"}),
            0);
  EXPECT_EQ(output_,
            "SCORE  ID  title\n"
            "0.912  n1  Tea at five\n"
            "0.500  n2  茶\n");
  const auto& request = engram_.search.last_request;
  EXPECT_EQ(request.text(), "what to drink");
  EXPECT_EQ(request.limit(), 2);
  EXPECT_EQ(request.min_position(), "default@0000000000000001.5");
  EXPECT_THAT(request.include().fields().paths(), ElementsAre("title"));

  EXPECT_EQ(Engramctl({"search", "notes", "x", "--json"}), 0);
  EXPECT_THAT(output_, StartsWith(R"({"id":"n1","score":0.912,"fields")"));
  EXPECT_THAT(request.include().fields().paths(), ElementsAre("*"));
}

TEST_F(CliTest, StatusShowsEveryVectorFieldAndItsIndex) {
  CreateNotes();
  ASSERT_EQ(Engramctl({"put", "notes", R"({"id":"a","title":"A"})"}), 0);
  auto* index = engram_.indexes.indexes.add_indexes();
  index->set_database("default");
  index->set_collection("notes");
  index->set_vector_field("text");
  index->set_state(search::v1::Index::STATE_SERVING);
  index->set_records(7);
  index->set_position("default@0000000000000001.5");
  index->set_newest_position("default@0000000000000001.8");
  engram_.embedding.models.add_models()->set_name("test/model");
  engram_.embedding.models.mutable_models(0)->set_is_default(true);

  EXPECT_EQ(Engramctl({"status", "--json"}), 0) << errors_;
  EXPECT_THAT(
      output_,
      HasSubstr(R"("collections":[{"database":"default","collection":"notes",)"
                R"("records":1,"vector_field":"text","embedded":0,"pending":1,)"
                R"("without_text":0,"index":{"state":"serving","records":7,)"
                R"("vectors":0,"pending":0,"lag":3,)"));
  EXPECT_EQ(Engramctl({"status"}), 0);
  EXPECT_THAT(
      output_,
      AllOf(HasSubstr("\nCOLLECTION  RECORDS  FIELD  EMBEDDED  PENDING"),
            ContainsRegex("\nnotes +1 +text +0 +1 +0 +7 +3"),
            HasSubstr("default model: test/model")));
}

TEST_F(CliTest, StatusWaitsUntilSearchHasEverything) {
  CreateNotes();
  {
    absl::MutexLock lock(&engram_.indexes.mutex);
    engram_.indexes.waits = {
        absl::DeadlineExceededError("not yet"),
        WithRetryDelay(
            MakeError(absl::StatusCode::kUnavailable,
                      common::v1::ERROR_REASON_INDEX_NOT_READY, "loading"),
            absl::Milliseconds(1))};
  }
  EXPECT_EQ(Engramctl({"status", "--wait"}), 0) << errors_;
  absl::MutexLock lock(&engram_.indexes.mutex);
  EXPECT_EQ(engram_.indexes.awaited.size(), 3);
}

TEST_F(CliTest, WaitingEndsWithTheTimeout) {
  CreateNotes();
  {
    absl::MutexLock lock(&engram_.indexes.mutex);
    for (int i = 0; i < 100'000; ++i) {
      engram_.indexes.waits.push_back(absl::DeadlineExceededError("not yet"));
    }
  }
  EXPECT_EQ(Engramctl({"status", "--wait", "--timeout", "50ms"}), 1);
  EXPECT_THAT(errors_, HasSubstr("not everything is searchable after"));
}

TEST_F(CliTest, WaitingEndsWithAnErrorThatTimeDoesNotHeal) {
  CreateNotes();
  {
    absl::MutexLock lock(&engram_.indexes.mutex);
    engram_.indexes.waits = {MakeError(absl::StatusCode::kFailedPrecondition,
                                       common::v1::ERROR_REASON_EPOCH_CHANGED,
                                       "the epoch has ended")};
  }
  EXPECT_EQ(Engramctl({"status", "--wait"}), 1);
  EXPECT_THAT(errors_, HasSubstr("EPOCH_CHANGED"));
}

TEST_F(CliTest, VerifyFailsWhereTheIndexDiffers) {
  search::v1::VerifyIndexResult result;
  result.set_position("default@0000000000000001.5");
  result.set_vectors(1234);
  auto& outcome = engram_.operations.outcome;
  outcome.set_state(common::v1::Operation::STATE_SUCCEEDED);
  outcome.mutable_result()->PackFrom(result);
  EXPECT_EQ(Engramctl({"index", "verify", "notes"}), 0) << errors_;
  EXPECT_EQ(
      output_,
      "1,234 vectors compared at default@0000000000000001.5: 0 differences\n");
  EXPECT_EQ(engram_.operations.questions, 2);

  result.set_difference_count(1);
  auto* difference = result.add_differences();
  difference->set_kind(search::v1::IndexDifference::KIND_MISSING);
  difference->set_id("n1");
  outcome.mutable_result()->PackFrom(result);
  EXPECT_EQ(Engramctl({"index", "verify", "notes"}), 1);
  EXPECT_THAT(output_, HasSubstr("missing     n1      0\n"));
  EXPECT_THAT(errors_, HasSubstr("differs from storage"));

  outcome.set_state(common::v1::Operation::STATE_FAILED);
  outcome.mutable_error()->set_code(14);
  outcome.mutable_error()->set_message("storage is gone");
  EXPECT_EQ(Engramctl({"index", "verify", "notes"}), 1);
  EXPECT_THAT(errors_, HasSubstr("UNAVAILABLE: storage is gone"));
}

TEST_F(CliTest, CreatesAndUsesDatabases) {
  EXPECT_EQ(Engramctl({"db", "create", "tenant-7"}), 0) << errors_;
  EXPECT_EQ(output_, "created    tenant-7\n");
  EXPECT_EQ(Engramctl({"db", "create", "tenant-7"}), 1);
  EXPECT_THAT(errors_, HasSubstr("ALREADY_EXISTS"));
  EXPECT_EQ(Engramctl({"db", "list"}), 0);
  EXPECT_THAT(output_,
              AllOf(HasSubstr("\ndefault "), HasSubstr("\ntenant-7 ")));

  engram_.RegisterModel();
  EXPECT_EQ(
      Engramctl({"schema", "apply", "-", "--database", "tenant-7"}, kNotes), 0);
  EXPECT_EQ(Engramctl({"put", "notes", R"({"id":"a","title":"A"})",
                       "--database", "tenant-7"}),
            0);
  EXPECT_EQ(Engramctl({"get", "notes", "a", "--database", "tenant-7"}), 0);
  EXPECT_EQ(Engramctl({"get", "notes", "a"}), 1);
}

TEST_F(CliTest, ListsModels) {
  auto* model = engram_.embedding.models.add_models();
  model->set_name("builtin/m");
  model->set_is_default(true);
  model->set_dimensions(256);
  model->set_fingerprint("f1");
  EXPECT_EQ(Engramctl({"models"}), 0);
  EXPECT_EQ(output_,
            "MODEL      DEFAULT  DIMENSIONS  MAX TOKENS  FINGERPRINT\n"
            "builtin/m  yes             256    no limit  f1\n");
}

TEST_F(CliTest, SaysHowToReachAServiceThatDoesNotAnswer) {
  EXPECT_EQ(Engramctl({"models", "--embedding", "127.0.0.1:1"}), 1);
  EXPECT_THAT(errors_,
              HasSubstr("nothing answers at 127.0.0.1:1; start engramd or "
                        "give --server or --embedding"));
}

TEST_F(CliTest, SaysWhichFlagNamesAServiceThatIsElsewhere) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  testing::FakeEmbeddingService other;
  builder.RegisterService(&other);
  const auto server = builder.BuildAndStart();
  EXPECT_EQ(Engramctl({"search", "notes", "x", "--search",
                       absl::StrCat("127.0.0.1:", port)}),
            1);
  EXPECT_THAT(errors_,
              AllOf(HasSubstr("UNIMPLEMENTED"), HasSubstr("give --search")));
  server->Shutdown();
}

TEST_F(CliTest, StatusShowsWhatItCanWhereAServiceIsMissing) {
  EXPECT_EQ(Engramctl({"status", "--search", "127.0.0.1:1"}), 1);
  EXPECT_THAT(output_, HasSubstr("DATABASE"));
  EXPECT_THAT(errors_, HasSubstr("nothing answers at 127.0.0.1:1"));
  EXPECT_EQ(Engramctl({"status", "--search", "127.0.0.1:1", "--json"}), 1);
  EXPECT_THAT(output_, HasSubstr(R"({"service":"search","ok":false,"error":)"));
}

}  // namespace
}  // namespace engram::engramctl
