// The figures that the five systems show (SYSTEMS.md, 2b to 6b): statistics,
// costs, daily summaries, tag counts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/json/json.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/systems/system.h"

namespace engram::systems {
namespace {

using ::testing::ElementsAre;

class FiguresTest : public ::testing::Test {
 protected:
  // Creates a record for each of the JSON objects.
  static void Create(System& system, const std::string& collection,
                     const std::vector<std::string>& records) {
    for (const std::string& record : records) {
      ASSERT_OK(system.Create(collection, "", record));
    }
  }

  // The rows as JSON.
  static std::vector<std::string> Rows(System& system,
                                       const std::string& json) {
    v1::AggregateRequest request;
    const auto parsed =
        google::protobuf::util::JsonStringToMessage(json, &request);
    if (!parsed.ok()) return {parsed.ToString()};
    grpc::ClientContext context;
    v1::AggregateResponse response;
    const grpc::Status status =
        system.storage().records().Aggregate(&context, request, &response);
    if (!status.ok()) return {status.error_message()};
    std::vector<std::string> rows;
    for (const auto& row : response.rows()) {
      json::AppendJson(row, &rows.emplace_back());
    }
    return rows;
  }
};

TEST_F(FiguresTest, CodeBuddySumsSessionsByModelAndState) {
  System system("code-buddy");
  ASSERT_OK(system.Apply());
  Create(system, "sessions",
         {R"({"model": "grok", "total_cost": 0.25, "total_tokens_in": 10})",
          R"({"model": "grok", "total_cost": 0.5, "total_tokens_in": 5,
              "is_archived": true})",
          R"({"model": "claude", "total_cost": 2})", R"({"total_cost": 100})"});
  // Cost by model, dearest first; sessions of no model are left out.
  EXPECT_THAT(Rows(system, R"({"collection": "sessions",
                 "filter": "model IS NOT NULL", "groupBy": [{"field": "model"}],
                 "aggregations": [
                   {"name": "cost", "function": "FUNCTION_SUM",
                    "expression": "total_cost"},
                   {"name": "sessions", "function": "FUNCTION_COUNT"}],
                 "orderBy": "cost desc"})"),
              ElementsAre(R"({"cost":2,"model":"claude","sessions":1})",
                          R"({"cost":0.75,"model":"grok","sessions":2})"));
  EXPECT_THAT(Rows(system, R"({"collection": "sessions", "aggregations": [
             {"name": "archived", "function": "FUNCTION_SUM",
              "expression": "is_archived"},
             {"name": "active", "function": "FUNCTION_SUM",
              "expression": "NOT is_archived"},
             {"name": "tokens_in", "function": "FUNCTION_SUM",
              "expression": "total_tokens_in"}]})"),
              ElementsAre(R"({"active":3,"archived":1,"tokens_in":15})"));
}

TEST_F(FiguresTest, CodeBuddyCountsMemoriesByTypeAndScope) {
  System system("code-buddy");
  ASSERT_OK(system.Apply());
  const std::string mean =
      R"({"collection": "memories", "aggregations": [
            {"name": "total", "function": "FUNCTION_COUNT"},
            {"name": "mean", "function": "FUNCTION_AVG",
             "expression": "importance"}]})";
  // Of nothing there is no mean; the original says 0.
  EXPECT_THAT(Rows(system, mean), ElementsAre(R"({"total":0})"));
  Create(system, "memories",
         {R"({"type": "fact", "scope": "user", "content": "a",
              "importance": 1})",
          R"({"type": "fact", "scope": "project", "project_id": "p",
              "content": "b", "importance": 0.5})",
          R"({"type": "decision", "scope": "user", "content": "c",
              "importance": 0, "expires_at": "2027-01-15T08:00:10Z"})"});
  EXPECT_THAT(Rows(system, mean), ElementsAre(R"({"mean":0.5,"total":3})"));
  system.clock().Advance(absl::Seconds(10));
  EXPECT_THAT(Rows(system, mean), ElementsAre(R"({"mean":0.75,"total":2})"));
  const auto count_by = [&](const std::string& field) {
    return Rows(
        system,
        absl::StrCat(R"({"collection": "memories", "groupBy": [{"field": ")",
                     field, R"("}], "aggregations": [
                         {"name": "n", "function": "FUNCTION_COUNT"}]})"));
  };
  EXPECT_THAT(count_by("type"), ElementsAre(R"({"n":2,"type":"fact"})"));
  EXPECT_THAT(count_by("scope"), ElementsAre(R"({"n":1,"scope":"project"})",
                                             R"({"n":1,"scope":"user"})"));
}

TEST_F(FiguresTest, CodeBuddySummarisesDays) {
  System system("code-buddy");
  ASSERT_OK(system.Apply());
  Create(system, "analytics",
         {R"({"date": "2026-02-01", "model": "grok", "requests": 9, "cost": 1,
              "avg_response_time_ms": 100})",
          R"({"date": "2026-02-01", "model": "claude", "requests": 1,
              "cost": 0.5, "avg_response_time_ms": 1100})",
          R"({"date": "2026-02-02", "model": "grok", "requests": 0,
              "cost": 0.25})",
          R"({"date": "2026-01-01", "model": "grok", "requests": 5})"});
  // The plain mean of means that the original shows, and the one by requests,
  // which over none is missing.
  EXPECT_THAT(
      Rows(system, R"({"collection": "analytics",
             "filter": "date >= :first", "parameters": {"first": "2026-02-01"},
             "groupBy": [{"field": "date"}], "aggregations": [
               {"name": "cost", "function": "FUNCTION_SUM",
                "expression": "cost"},
               {"name": "plain_ms", "function": "FUNCTION_AVG",
                "expression": "avg_response_time_ms"},
               {"name": "ms", "function": "FUNCTION_AVG",
                "expression": "avg_response_time_ms", "weight": "requests"}],
             "orderBy": "date desc"})"),
      ElementsAre(
          R"({"cost":0.25,"date":"2026-02-02","plain_ms":0})",
          R"({"cost":1.5,"date":"2026-02-01","ms":200,"plain_ms":600})"));
}

TEST_F(FiguresTest, CodeBuddyCountsCodeByLanguageUnknownOnesToo) {
  System system("code-buddy");
  ASSERT_OK(system.Apply());
  const auto chunk = [](const std::string& file, int index,
                        const std::string& rest) {
    return absl::StrCat(R"({"project_id": "p", "file_path": ")", file,
                        R"(", "chunk_index": )", index,
                        R"(, "chunk_text": "t", "chunk_hash": "h")", rest, "}");
  };
  Create(system, "code_embeddings",
         {chunk("a.cc", 0, R"(, "language": "c++")"),
          chunk("a.cc", 1, R"(, "language": "c++")"), chunk("notes", 0, "")});
  EXPECT_THAT(Rows(system, R"json({"collection": "code_embeddings",
             "groupBy": [{"field": "coalesce(language, \"unknown\")",
                          "name": "language"}],
             "aggregations": [
               {"name": "chunks", "function": "FUNCTION_COUNT"},
               {"name": "files", "function": "FUNCTION_COUNT_DISTINCT",
                "expression": "file_path"}],
             "orderBy": "chunks desc"})json"),
              ElementsAre(R"({"chunks":2,"files":1,"language":"c++"})",
                          R"({"chunks":1,"files":1,"language":"unknown"})"));
}

TEST_F(FiguresTest, WaywoCountsHashtagsOfValidProjects) {
  System system("waywo");
  ASSERT_OK(system.Apply());
  const std::string rest =
      R"(, "short_description": "s", "description": "d", "idea_score": 5,
         "complexity_score": 5})";
  Create(system, "waywo_projects",
         {R"({"title": "a", "hashtags": ["#ai", "#go"])" + rest,
          R"({"title": "b", "hashtags": ["#ai", "#ai"])" + rest,
          R"({"title": "c", "hashtags": ["#ai", "#rust"],
              "is_valid_project": false)" +
              rest,
          R"({"title": "d", "hashtags": [])" + rest});
  EXPECT_THAT(Rows(system, R"({"collection": "waywo_projects",
                 "filter": "is_valid_project",
                 "groupBy": [{"field": "hashtags", "name": "tag"}],
                 "aggregations": [{"name": "n", "function": "FUNCTION_COUNT"}],
                 "having": "n >= :min_count", "parameters": {"min_count": 1},
                 "orderBy": "n desc", "limit": 200})"),
              ElementsAre(R"({"n":2,"tag":"#ai"})", R"({"n":1,"tag":"#go"})"));
  // All of them, sorted, of invalid projects too.
  EXPECT_THAT(Rows(system, R"({"collection": "waywo_projects",
                 "groupBy": [{"field": "hashtags", "name": "tag"}]})"),
              ElementsAre(R"({"tag":"#ai"})", R"({"tag":"#go"})",
                          R"({"tag":"#rust"})"));
  EXPECT_THAT(Rows(system, R"({"collection": "waywo_projects",
                 "aggregations": [
                   {"name": "projects", "function": "FUNCTION_COUNT"},
                   {"name": "valid", "function": "FUNCTION_SUM",
                    "expression": "is_valid_project"}]})"),
              ElementsAre(R"({"projects":4,"valid":3})"));
}

TEST_F(FiguresTest, AgenticCmsSumsItsLogsBySession) {
  System system("agentic-cms");
  ASSERT_OK(system.Apply());
  ASSERT_OK(system.Create("sessions", "s", R"({"title": "t"})"));
  Create(system, "conversation_logs",
         {R"({"session_id": "s", "conversation_index": 1, "user_prompt": "a",
              "started_at": "2026-01-01T00:00:00Z",
              "completed_at": "2026-01-01T00:00:03Z",
              "metrics": {"cost": 0.5, "tokens": {"input": 10, "output": 4}}})",
          R"({"session_id": "s", "conversation_index": 2, "user_prompt": "b",
              "started_at": "2026-01-02T00:00:00Z",
              "metrics": {"cost": 0.25, "tokens": {"input": 1, "output": 2}}})"});
  EXPECT_THAT(Rows(system, R"({"collection": "conversation_logs",
             "groupBy": [{"field": "session_id"}], "aggregations": [
               {"name": "conversations", "function": "FUNCTION_COUNT"},
               {"name": "tokens", "function": "FUNCTION_SUM",
                "expression": "input_tokens + output_tokens"},
               {"name": "cost", "function": "FUNCTION_SUM",
                "expression": "metrics.cost"},
               {"name": "seconds", "function": "FUNCTION_AVG",
                "expression": "completed_at - started_at"},
               {"name": "last", "function": "FUNCTION_MAX",
                "expression": "started_at"}]})"),
              ElementsAre(R"({"conversations":2,"cost":0.75,)"
                          R"("last":"2026-01-02T00:00:00Z","seconds":3,)"
                          R"("session_id":"s","tokens":17})"));
}

TEST_F(FiguresTest, PromptAlchemyCountsPromptsByPhaseAndTag) {
  System system("prompt-alchemy");
  ASSERT_OK(system.Apply());
  ASSERT_OK(system.WriteRows());
  EXPECT_THAT(
      Rows(system, R"({"collection": "prompts", "filter": "id = \"p1\"",
             "groupBy": [{"field": "phase"}, {"field": "provider"},
                         {"field": "tags", "name": "tag"}],
             "aggregations": [{"name": "mean", "function": "FUNCTION_AVG",
                               "expression": "relevance_score"}]})"),
      ElementsAre(
          R"({"mean":0.9,"phase":"coagulatio","provider":"anthropic","tag":"api"})",
          R"({"mean":0.9,"phase":"coagulatio","provider":"anthropic","tag":"backend"})"));
}

TEST_F(FiguresTest, AmalfaCountsNodesByDomainAndWhatTheirMetaMentions) {
  System system("amalfa");
  ASSERT_OK(system.Apply());
  ASSERT_OK(system.Create("nodes", "a", R"({"tags": ["sql", "go"],
                "meta": {"semantic_tokens": ["x"]}})"));
  ASSERT_OK(system.Create("nodes", "b", R"({"domain": "system",
                "tags": ["sql"], "meta": {"source": "b.md"}})"));
  ASSERT_OK(system.Create("nodes", "c", "{}"));
  EXPECT_THAT(
      Rows(system, R"({"collection": "nodes", "groupBy": [{"field": "domain"}],
             "aggregations": [
               {"name": "nodes", "function": "FUNCTION_COUNT"},
               {"name": "semantic", "function": "FUNCTION_SUM",
                "expression": "EXISTS meta.semantic_tokens"}]})"),
      ElementsAre(R"({"domain":"knowledge","nodes":2,"semantic":1})",
                  R"({"domain":"system","nodes":1,"semantic":0})"));
  EXPECT_THAT(Rows(system, R"({"collection": "nodes",
             "groupBy": [{"field": "tags", "name": "tag"}], "aggregations": [
               {"name": "n", "function": "FUNCTION_COUNT"}],
             "orderBy": "n desc"})"),
              ElementsAre(R"({"n":2,"tag":"sql"})", R"({"n":1,"tag":"go"})"));
}

}  // namespace
}  // namespace engram::systems
