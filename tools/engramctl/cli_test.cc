#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/status/errors.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using testing::kNotes;

class CliTest : public testing::CliFixture {};

TEST_F(CliTest, ACommandLineThatMakesNoSenseIsCode2) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{
           {},
           {"serch"},
           {"search", "notes"},
           {"search", "notes", "x", "--limit", "0"},
           {"search", "notes", "x", "--mode", "words"},
           {"search", "notes", "x", "--fusion", "sum"},
           {"search", "notes", "x", "--semantic-weight", "1.5"},
           {"schema", "plan"},
           {"schema", "apply", "a.yaml", "--plan", "p.json"},
           {"put", "notes", "{}", "--create", "--replace"},
           {"update", "notes", "--set", "stars=1"},
           {"update", "notes", "n1", "--dry-run", "--set", "stars=1"},
           {"delete", "notes"},
           {"delete", "notes", "n1", "--where", "true"},
           {"import", "notes", "-", "--format", "xml"},
           {"export", "notes", "--format", "xml"},
           {"sql"},
           {"sql", "SELECT 1", "--max-rows", "-1"},
           {"sql", "SELECT 1", "--csv", "--json"},
           {"db", "delete", "tenant-7"},
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
                                             {"schema", "plan"},
                                             {"schema", "apply"},
                                             {"schema", "history"},
                                             {"schema", "show"},
                                             {"schema", "proto"},
                                             {"import"},
                                             {"export"},
                                             {"sql"},
                                             {"search"},
                                             {"get"},
                                             {"list"},
                                             {"put"},
                                             {"update"},
                                             {"delete"},
                                             {"restore"},
                                             {"sweep"},
                                             {"status"},
                                             {"duplicates"},
                                             {"index", "list"},
                                             {"index", "show"},
                                             {"index", "verify"},
                                             {"index", "rebuild"},
                                             {"index", "wait"},
                                             {"models"},
                                             {"db", "create"},
                                             {"db", "list"},
                                             {"db", "delete"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    EXPECT_EQ(Engramctl(arguments), 0);
    EXPECT_THAT(output_, HasSubstr("Examples:\n  engramctl "));
  }
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

  EXPECT_EQ(Engramctl({"search", "notes", "x", "--filter", "stars > :n",
                       "--param", "n=3"}),
            0);
  EXPECT_EQ(request.filter(), "stars > :n");
  EXPECT_EQ(request.parameters().fields().at("n").number_value(), 3);

  EXPECT_EQ(Engramctl({"search", "notes", "x", "--json"}), 0);
  EXPECT_THAT(output_, StartsWith(R"({"id":"n1","score":0.912,"fields")"));
  EXPECT_THAT(request.include().fields().paths(), ElementsAre("*"));
}

TEST_F(CliTest, SearchSaysHowRecordsAreToBeFound) {
  using search::v1::Fusion;
  using search::v1::QueryRequest;
  CreateNotes();
  const QueryRequest& request = engram_.search.last_request;
  EXPECT_EQ(Engramctl({"search", "notes", "x"}), 0);
  EXPECT_EQ(request.mode(), QueryRequest::MODE_SEMANTIC);
  EXPECT_FALSE(request.has_fusion());
  EXPECT_EQ(Engramctl({"search", "notes", "x", "--mode", "keyword"}), 0);
  EXPECT_EQ(request.mode(), QueryRequest::MODE_KEYWORD);
  Apply("collection: logs\nfields: {line: {type: text}}\nfull_text: [line]");
  EXPECT_EQ(Engramctl({"search", "logs", "x", "--mode", "keyword"}), 0);
  EXPECT_THAT(request.include().fields().paths(), ElementsAre("line"));
  engram_.search.answer.add_hits()->set_id("n1");
  engram_.search.answer.mutable_hits(0)->set_score(0.016129F);
  EXPECT_EQ(Engramctl({"search", "notes", "x", "--mode", "hybrid", "--fusion",
                       "weighted", "--semantic-weight", "0.25"}),
            0);
  EXPECT_THAT(output_, HasSubstr("0.01613  n1"));
  EXPECT_EQ(request.mode(), QueryRequest::MODE_HYBRID);
  EXPECT_EQ(request.fusion().method(), Fusion::METHOD_WEIGHTED);
  EXPECT_EQ(request.fusion().semantic_weight(), 0.25);
  EXPECT_FALSE(request.allow_degraded());

  engram_.search.answer.set_degraded("no provider");
  EXPECT_EQ(Engramctl({"search", "notes", "x", "--mode", "hybrid", "--fusion",
                       "rank", "--allow-degraded"}),
            0);
  EXPECT_EQ(request.fusion().method(), Fusion::METHOD_RECIPROCAL_RANK);
  EXPECT_FALSE(request.fusion().has_semantic_weight());
  EXPECT_TRUE(request.allow_degraded());
  EXPECT_THAT(errors_, HasSubstr("found by words alone: no provider\n"));
}

TEST_F(CliTest, SearchShowsThePassageThatWasFound) {
  Apply(R"(
collection: manuals
fields:
  title: {type: string}
  body:  {type: text}
vectors:
  body:  {source: [body], chunking: paragraphs}
  parts: {source: [title, body], chunking: paragraphs}
)");
  auto* hit = engram_.search.answer.add_hits();
  hit->set_id("m");
  hit->set_score(0.5);
  hit->set_chunk(1);
  hit->mutable_passage()->set_begin(5);
  hit->mutable_passage()->set_end(8);
  hit->set_passage_text("two");
  auto& fields = *hit->mutable_record()->mutable_fields()->mutable_fields();
  fields["body"].set_string_value("one\n\ntwo\n\nthree");
  fields["title"].set_string_value("a title");
  EXPECT_EQ(Engramctl({"search", "manuals", "x"}), 0);
  EXPECT_EQ(output_, "SCORE  ID  body\n0.500  m   two\n");
  EXPECT_TRUE(engram_.search.last_request.include().passage_text());
  // Places in several fields are in none of them.
  EXPECT_EQ(Engramctl({"search", "manuals", "x", "--vector-field", "parts"}),
            0);
  EXPECT_EQ(output_, "SCORE  ID  title\n0.500  m   a title\n");
  EXPECT_FALSE(engram_.search.last_request.include().passage_text());
  EXPECT_EQ(Engramctl({"search", "manuals", "x", "--vector-field", "parts",
                       "--passages"}),
            0);
  EXPECT_EQ(output_, "SCORE  ID  PASSAGE\n0.500  m   two\n");
  EXPECT_EQ(
      Engramctl({"search", "manuals", "x", "--passages", "--fields", "title"}),
      0);
  EXPECT_EQ(output_, "SCORE  ID  title    PASSAGE\n0.500  m   a title  two\n");
  EXPECT_EQ(Engramctl({"search", "manuals", "x", "--passages", "--json"}), 0);
  EXPECT_THAT(output_, HasSubstr(R"("end":8},"passage_text":"two","fields")"));
  EXPECT_TRUE(engram_.search.last_request.include().fields().paths().empty());
  // Nobody knows it any more.
  hit->clear_passage_text();
  EXPECT_EQ(Engramctl({"search", "manuals", "x"}), 0);
  EXPECT_EQ(output_, "SCORE  ID  body\n0.500  m   one two three\n");

  EXPECT_EQ(Engramctl({"search", "manuals", "x", "--json"}), 0);
  EXPECT_THAT(
      output_,
      StartsWith(
          R"({"id":"m","score":0.5,"chunk":1,"passage":{"begin":5,"end":8},"fields":{)"));
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

TEST_F(CliTest, CreatesUsesAndDeletesDatabases) {
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

  EXPECT_EQ(Engramctl({"db", "delete", "tenant-7", "--confirm", "tenant-8"}),
            1);
  EXPECT_THAT(errors_, HasSubstr("INVALID_ARGUMENT"));
  EXPECT_EQ(Engramctl({"db", "delete", "tenant-7", "--confirm", "tenant-7"}), 0)
      << errors_;
  EXPECT_EQ(output_, "deleted    tenant-7\n");
  EXPECT_EQ(Engramctl({"db", "list", "--json"}), 0);
  EXPECT_THAT(output_, ::testing::Not(HasSubstr("tenant-7")));
}

TEST_F(CliTest, ListsModels) {
  auto* model = engram_.embedding.models.add_models();
  model->set_name("builtin/m");
  model->set_is_default(true);
  model->set_dimensions(256);
  model->set_fingerprint("f1");
  auto* fault = engram_.embedding.models.add_faults();
  fault->set_model("builtin/m");
  fault->mutable_error()->set_message("no key");
  EXPECT_EQ(Engramctl({"models"}), 0);
  EXPECT_EQ(
      output_,
      "MODEL      DEFAULT  DIMENSIONS  MAX TOKENS  FINGERPRINT  FAULT\n"
      "builtin/m  yes             256    no limit  f1           no key\n");
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
