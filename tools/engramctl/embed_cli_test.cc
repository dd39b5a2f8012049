#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using storage::v1::VectorService;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class EmbedCliTest : public testing::CliFixture {
 protected:
  // Writes notes, has the first one embedded and the second one refused.
  void SetUp() override {
    CreateNotes();
    for (const char* id : {"a", "b", "c"}) {
      ASSERT_EQ(
          Engramctl({"put", "notes",
                     absl::StrCat(R"({"id":")", id, R"(","title":"x"})")}),
          0)
          << errors_;
    }
    storage::v1::LeasePendingRequest lease;
    lease.add_fingerprints("test");
    lease.set_max_entries(2);
    storage::v1::LeasePendingResponse leased;
    Call(&VectorService::Stub::LeasePending, lease, &leased);
    ASSERT_EQ(leased.entries_size(), 2);
    storage::v1::PutVectorsRequest puts;
    puts.set_provider("openai");
    storage::v1::VectorPut& put = *puts.add_puts();
    put.set_entry(leased.entries(0).entry());
    put.set_generation(leased.entries(0).generation());
    put.set_content_hash(leased.entries(0).content_hash());
    put.add_chunks()->set_values(std::string(2 * sizeof(float), '\0'));
    put.mutable_usage()->set_requests(1);
    put.mutable_usage()->set_texts(1);
    put.mutable_usage()->set_tokens(1234);
    put.mutable_usage()->set_cost_nanousd(24'680'000);
    storage::v1::PutVectorsResponse stored;
    Call(&VectorService::Stub::PutVectors, puts, &stored);
    storage::v1::ReportFailureRequest reports;
    storage::v1::FailureReport& report = *reports.add_failures();
    report.set_entry(leased.entries(1).entry());
    report.set_generation(leased.entries(1).generation());
    report.set_content_hash(leased.entries(1).content_hash());
    report.set_reason(storage::v1::FAILURE_REASON_TEXT_REFUSED);
    report.set_message("the text has 9000 tokens,\nat most 8192");
    storage::v1::ReportFailureResponse reported;
    Call(&VectorService::Stub::ReportFailure, reports, &reported);
  }

  template <typename Request, typename Response>
  void Call(grpc::Status (VectorService::Stub::*method)(grpc::ClientContext*,
                                                        const Request&,
                                                        Response*),
            const Request& request, Response* response) {
    VectorService::Stub stub(grpc::CreateChannel(
        engram_.address(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    const grpc::Status status = (stub.*method)(&context, request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
};

TEST_F(EmbedCliTest, StatusShowsWhatWaitsAndWhatItCost) {
  EXPECT_EQ(Engramctl({"embed", "status"}), 0);
  EXPECT_THAT(output_, StartsWith("DATABASE  COLLECTION  VECTORS  MODEL"));
  EXPECT_THAT(output_, ContainsRegex("\ndefault +notes +text .* 1 +0 +1 +"
                                     "[0-9.]+/s +[0-9]+s\n"));
  EXPECT_THAT(output_, HasSubstr("Used in the last 24h:\n"));
  EXPECT_THAT(output_, ContainsRegex("openai +1 +1 +1,234 +\\$0.0247\n"));
  EXPECT_EQ(Engramctl({"embed", "status", "--json"}), 0);
  EXPECT_THAT(output_, HasSubstr(R"("pending":1,"backlog":0,"failed":1,)"));
  EXPECT_THAT(output_, HasSubstr(R"("tokens":1234,"cost_nanousd":24680000)"));
  EXPECT_EQ(Engramctl({"--database", "nowhere", "embed", "status"}), 1);
}

TEST_F(EmbedCliTest, UsageIsToldByTime) {
  EXPECT_EQ(Engramctl({"embed", "usage", "--interval", "1h"}), 0);
  EXPECT_THAT(output_, StartsWith("FROM "));
  EXPECT_EQ(Engramctl({"embed", "usage", "--json"}), 0);
  EXPECT_THAT(output_,
              StartsWith(R"({"database":"default","provider":"openai")"));
  EXPECT_EQ(Engramctl({"embed", "usage", "--since", "yesterday"}), 1);
  EXPECT_THAT(errors_, HasSubstr("--since wants a duration such as 24h"));
}

TEST_F(EmbedCliTest, FailuresAreListedAndRetried) {
  EXPECT_EQ(Engramctl({"embed", "failures"}), 0);
  EXPECT_THAT(output_, StartsWith("COLLECTION  ID  VECTORS  REASON"));
  EXPECT_THAT(output_, ContainsRegex("\nnotes +b +text +text_refused +1 "));
  EXPECT_EQ(Engramctl({"embed", "failures", "notes", "--contains", "TOKENS",
                       "--reason", "text_refused", "--json"}),
            0);
  EXPECT_THAT(
      output_,
      HasSubstr(R"("message":"the text has 9000 tokens,\nat most 8192")"));
  EXPECT_EQ(Engramctl({"embed", "failures", "--id", "a", "--json"}), 0);
  EXPECT_THAT(output_, IsEmpty());
  EXPECT_EQ(Engramctl({"embed", "failures", "--reason", "bad"}), 1);
  EXPECT_THAT(errors_, HasSubstr("give text_refused or answer_unusable"));

  EXPECT_EQ(Engramctl({"embed", "retry"}), 1);
  EXPECT_THAT(errors_, HasSubstr("say which failures"));
  EXPECT_EQ(Engramctl({"embed", "retry", "--id", "b"}), 0);
  EXPECT_EQ(output_, "retried    1\n");
  EXPECT_EQ(Engramctl({"embed", "retry", "--all", "--json"}), 0);
  EXPECT_EQ(output_, "{\"retried\":0}\n");
}

TEST_F(EmbedCliTest, PausesAndResumes) {
  EXPECT_EQ(Engramctl({"embed", "pause", "notes"}), 0);
  EXPECT_EQ(output_, "paused     database default, collection notes\n");
  EXPECT_EQ(Engramctl({"embed", "pause", "--provider", "openai"}), 0);
  EXPECT_EQ(output_, "paused     provider openai\n");
  EXPECT_EQ(Engramctl({"embed", "status"}), 0);
  EXPECT_THAT(output_, HasSubstr("notes (p"));
  EXPECT_THAT(output_,
              ContainsRegex("\npaused since [^ ]+: provider openai\n"));
  EXPECT_EQ(Engramctl({"embed", "resume", "notes"}), 0);
  EXPECT_EQ(Engramctl({"embed", "resume", "--provider", "openai", "--json"}),
            0);
  EXPECT_EQ(output_, "{\"pauses\":[]}\n");
  EXPECT_EQ(Engramctl({"embed", "pause"}), 1);
  EXPECT_THAT(errors_, HasSubstr("say what"));
  EXPECT_EQ(Engramctl({"--database", "default", "embed", "pause"}), 0);
  EXPECT_EQ(output_, "paused     database default\n");
  EXPECT_EQ(Engramctl({"embed", "pause", "nothing"}), 1);
  EXPECT_EQ(Engramctl({"embed", "resume", "--all"}), 0);
  EXPECT_EQ(output_, "resumed    everything\n");
}

TEST_F(EmbedCliTest, OtherVectorsServeAndTheOldOnesAgain) {
  Apply(R"(
collection: notes
fields:
  title:   {type: string, required: true}
  content: {type: text}
  stars:   {type: int, min: 0, max: 5}
vectors:
  text: {source: [title, content], metric: dot, cutover: manual}
)");
  EXPECT_EQ(Engramctl({"embed", "generations", "notes"}), 0);
  EXPECT_THAT(output_, ContainsRegex("\nnotes +text +1 .* serving +1 +1 +1 "));
  EXPECT_THAT(output_,
              ContainsRegex("\nnotes +text +2 .* filling +0 +3 +0 +3 "));
  EXPECT_EQ(Engramctl({"embed", "switch", "notes"}), 1);
  EXPECT_THAT(errors_, HasSubstr("3 records have no vectors of it yet"));

  storage::v1::LeasePendingRequest lease;
  lease.add_fingerprints("test");
  storage::v1::LeasePendingResponse leased;
  Call(&VectorService::Stub::LeasePending, lease, &leased);
  storage::v1::PutVectorsRequest puts;
  for (const storage::v1::OutboxEntry& entry : leased.entries()) {
    storage::v1::VectorPut& put = *puts.add_puts();
    put.set_entry(entry.entry());
    put.set_generation(entry.generation());
    put.set_content_hash(entry.content_hash());
    put.add_chunks()->set_values(std::string(2 * sizeof(float), '\0'));
  }
  EXPECT_EQ(puts.puts_size(), 4);
  storage::v1::PutVectorsResponse stored;
  Call(&VectorService::Stub::PutVectors, puts, &stored);
  EXPECT_EQ(Engramctl({"embed", "generations", "--json"}), 0);
  EXPECT_THAT(output_, HasSubstr(R"("state":"ready","declared":true)"));

  EXPECT_EQ(Engramctl({"embed", "switch", "notes"}), 0) << errors_;
  EXPECT_THAT(output_, StartsWith("serves     generation 2 ("));
  EXPECT_THAT(output_, HasSubstr("\nbefore     generation 1, to which"));
  EXPECT_EQ(Engramctl({"embed", "switch", "notes", "--generation", "2"}), 0);
  EXPECT_THAT(output_, HasSubstr("nothing changed"));
  EXPECT_EQ(Engramctl({"embed", "drop", "notes", "2"}), 1);
  EXPECT_THAT(errors_, HasSubstr("serves; switch to another one first"));
  EXPECT_EQ(Engramctl({"embed", "drop", "notes", "1"}), 0) << errors_;
  EXPECT_THAT(output_, StartsWith("dropped    generation 1\n"));
  EXPECT_EQ(Engramctl({"embed", "switch", "notes", "--generation", "1"}), 1);
  EXPECT_THAT(errors_, HasSubstr("it has 2"));
}

TEST_F(EmbedCliTest, EstimatesAChangeOfModel) {
  auto& estimate = engram_.embedding_admin.estimate;
  estimate.mutable_model()->set_name("openai/small");
  estimate.mutable_model()->set_dimensions(1536);
  estimate.mutable_model()->set_max_tokens(8191);
  estimate.set_records(50'000);
  estimate.set_sampled_records(1000);
  estimate.set_texts(49'000);
  estimate.set_chunks(61'000);
  estimate.set_too_long_chunks(12);
  estimate.set_tokens(6'000'000);
  estimate.set_cost_nanousd(120'000'000);
  estimate.set_vector_bytes(374'784'000);
  estimate.mutable_duration()->set_seconds(754);
  estimate.set_bottleneck(
      embedding::v1::EstimateMigrationResponse::BOTTLENECK_TOKEN_RATE);
  EXPECT_EQ(
      Engramctl({"embed", "estimate", "notes", "--model", "openai/small"}), 0)
      << errors_;
  EXPECT_EQ(output_,
            "vectors    notes, by openai/small (1536 dimensions)\n"
            "records    50,000, 1,000 of them looked at\n"
            "texts      49,000, in 61,000 chunks\n"
            "too long   12 of them have more than the 8191 tokens that the "
            "model reads, and would be refused: declare chunking\n"
            "tokens     6,000,000\n"
            "cost       $0.1200\n"
            "time       about 12m34s, by its tokens a minute\n"
            "disk       374.8 MB of vectors\n");
  EXPECT_EQ(engram_.embedding_admin.last_estimate.ShortDebugString(),
            R"(collection: "notes" model: "openai/small")");

  // What a schema says is asked for, of each vector field.
  const std::string file = WriteFile("notes.yaml", R"(
collection: notes
fields: {title: {type: string}, content: {type: text}}
vectors:
  a: {source: [title, content], template: "{title}: {content}", model: m,
      chunking: {by: tokens, size: 100, overlap: 10}}
  b: {source: [title]}
  c: {supplied: true, dimensions: 3}
)");
  EXPECT_EQ(Engramctl({"embed", "estimate", "-f", file}), 0) << errors_;
  EXPECT_THAT(output_, HasSubstr("vectors    notes.a, by"));
  EXPECT_THAT(output_, HasSubstr("\n\nvectors    notes.b, by"));
  EXPECT_EQ(
      Engramctl({"embed", "estimate", "-f", file, "--field", "a", "--json"}),
      0);
  EXPECT_THAT(output_, HasSubstr(R"("too_long_chunks":12,"tokens":6000000)"));
  EXPECT_EQ(
      engram_.embedding_admin.last_estimate.ShortDebugString(),
      R"(collection: "notes" vector_field: "a" model: "m" source: "title" )"
      R"(source: "content" template: "{title}: {content}" )"
      R"(chunking { method: METHOD_TOKENS size: 100 overlap: 10 })");
  EXPECT_EQ(Engramctl({"embed", "estimate", "-f", file, "--field", "c"}), 1);
  EXPECT_THAT(errors_, HasSubstr("no vector field of these"));
  EXPECT_EQ(Engramctl({"embed", "estimate", "notes"}), 1);
  EXPECT_THAT(errors_, HasSubstr("a collection and --model, or -f"));
}

TEST_F(EmbedCliTest, ComparesTwoModels) {
  auto& comparison = engram_.embedding_admin.comparison;
  comparison.mutable_baseline()->set_id(1);
  comparison.mutable_baseline()->set_model("builtin/static");
  comparison.mutable_candidate()->set_id(2);
  comparison.mutable_candidate()->set_model("openai/small");
  comparison.set_records(5000);
  comparison.set_incomplete_records(7);
  comparison.set_queries(200);
  comparison.set_overlap(0.615);
  comparison.set_rank_correlation(0.4);
  auto& query = *comparison.add_least_alike();
  query.set_query("lunch");
  query.set_overlap(0.1);
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) {
    query.add_baseline_ids(id);
  }
  query.add_candidate_ids("z");
  EXPECT_EQ(Engramctl({"embed", "compare", "notes", "--query", "lunch"}), 0)
      << errors_;
  EXPECT_EQ(
      output_,
      "baseline   generation 1 (builtin/static)\n"
      "candidate  generation 2 (openai/small)\n"
      "records    5,000, beside 7 that lack vectors of one of them\n"
      "queries    200\n"
      "overlap    61.5 % of the ten nearest are the same\n"
      "order      0.40, the rank correlation of what is among the ten nearest\n"
      "\nThe queries that find the least of the same, and what is nearest to "
      "them:\n"
      "OVERLAP  QUERY  BASELINE       CANDIDATE\n"
      "   10 %  lunch  a, b, c, d, e  z\n");
  EXPECT_EQ(engram_.embedding_admin.last_comparison.ShortDebugString(),
            R"(collection: "notes" queries: "lunch")");
  EXPECT_EQ(Engramctl({"embed", "compare", "notes", "--baseline", "2",
                       "--candidate", "1", "--json"}),
            0);
  EXPECT_THAT(output_, HasSubstr(R"("overlap":0.615,"rank_correlation":0.4)"));
  EXPECT_EQ(engram_.embedding_admin.last_comparison.baseline_generation(), 2);
  EXPECT_EQ(Engramctl({"embed", "compare", "notes", "--sampled-queries", "0"}),
            2);
}

}  // namespace
}  // namespace engram::engramctl
