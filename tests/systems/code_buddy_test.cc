// Code-Buddy (SYSTEMS.md, seed 004): the rules of its memories, sessions,
// counters, code chunks and cache.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/substitute.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/systems/system.h"

namespace engram::systems {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class CodeBuddyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(system_.Apply());
    ASSERT_OK(system_.WriteRows());
  }

  // Storage keeps touches in memory for a while, and writes them when it stops.
  void WriteTouches() { system_.storage().Restart(); }

  absl::StatusOr<v1::WriteResult> Remember(const std::string& content,
                                           const std::string& more) {
    return system_.Upsert(
        "memories", "",
        absl::Substitute(
            R"({"type": "fact", "scope": "user", "content": "$0"$1})", content,
            more));
  }

  absl::StatusOr<v1::WriteResult> Report(const std::string& numbers) {
    return system_.Upsert(
        "analytics", "",
        absl::Substitute(R"({"date": "2026-02-01", "project_id": "engram",
                             "model": "grok", $0})",
                         numbers));
  }

  v1::DeleteWhereRequest Where(const std::string& collection,
                               const std::string& filter,
                               const std::string& parameters) {
    v1::DeleteWhereRequest request;
    request.set_collection(collection);
    request.set_filter(filter);
    *request.mutable_parameters() = storage::testing::ParseFields(parameters);
    return request;
  }

  System system_{"code-buddy"};
};

TEST_F(CodeBuddyTest, AMemoryMadeAgainKeepsTheRecordAndTheLargerImportance) {
  system_.clock().Advance(absl::Hours(1));
  ASSERT_OK_AND_ASSIGN(const auto result, system_.Upsert("memories", "", R"({
          "type": "decision", "scope": "project", "project_id": "engram",
          "content": "Tests run with ctest.", "importance": 0.3,
          "expires_at": "2030-01-01T00:00:00Z", "metadata": {"from": "me"}})"));
  EXPECT_EQ(result.id(), "mem-1");
  EXPECT_EQ(result.outcome(), v1::WriteResult::OUTCOME_UPDATED);
  EXPECT_THAT(system_.Ids("memories"), SizeIs(1));
  EXPECT_EQ(system_.Number("memories", "mem-1", "importance"), 0.7);
  EXPECT_EQ(system_.Number("memories", "mem-1", "access_count"), 3);
  EXPECT_EQ(system_.Field("memories", "mem-1", "last_accessed"),
            R"("2027-01-15T09:00:00Z")");
  EXPECT_EQ(system_.Field("memories", "mem-1", "type"), R"("fact")");
  EXPECT_EQ(system_.Field("memories", "mem-1", "expires_at"),
            R"("2099-01-01T00:00:00Z")");
  EXPECT_EQ(system_.Field("memories", "mem-1", "metadata"),
            R"({"from":"readme"})");
}

TEST_F(CodeBuddyTest, AMoreImportantMemoryMadeAgainIsMoreImportant) {
  ASSERT_OK_AND_ASSIGN(const auto first, Remember("Likes tabs.", ""));
  ASSERT_OK(Remember("Likes tabs.", R"(, "importance": 0.9)"));
  EXPECT_EQ(system_.Number("memories", first.id(), "importance"), 0.9);
}

TEST_F(CodeBuddyTest, AUsersMemoryOfNoProjectIsKeptOnce) {
  ASSERT_OK_AND_ASSIGN(const auto first, Remember("Likes tabs.", ""));
  ASSERT_OK_AND_ASSIGN(const auto second, Remember("Likes tabs.", ""));
  EXPECT_EQ(first.outcome(), v1::WriteResult::OUTCOME_CREATED);
  EXPECT_EQ(system_.Number("memories", first.id(), "access_count"), 1);
  EXPECT_EQ(second.id(), first.id());
}

TEST_F(CodeBuddyTest, AMemoryThatNeverExpiresDoesNotBeginTo) {
  ASSERT_OK_AND_ASSIGN(const auto first, Remember("Likes tabs.", ""));
  ASSERT_OK(
      Remember("Likes tabs.", R"(, "expires_at": "2027-02-01T00:00:00Z")"));
  EXPECT_EQ(system_.Field("memories", first.id(), "expires_at"), "null");
}

TEST_F(CodeBuddyTest, MemoriesMadeInBulkLeaveThoseThereAreAlone) {
  v1::WriteRequest request;
  request.set_atomic(false);
  for (const char* content : {"Tests run with ctest.", "New.", "New."}) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection("memories");
    *item.mutable_create()->mutable_fields() = storage::testing::ParseFields(
        absl::Substitute(R"({"type": "fact", "scope": "project",
                             "project_id": "engram", "content": "$0"})",
                         content));
  }
  ASSERT_OK_AND_ASSIGN(const auto response, system_.storage().Write(request));
  EXPECT_EQ(response.results(0).outcome(), v1::WriteResult::OUTCOME_FAILED);
  EXPECT_EQ(response.results(1).outcome(), v1::WriteResult::OUTCOME_CREATED);
  EXPECT_EQ(response.results(2).outcome(), v1::WriteResult::OUTCOME_FAILED);
  EXPECT_EQ(system_.Number("memories", "mem-1", "access_count"), 2);
}

TEST_F(CodeBuddyTest, ReadingAMemoryCountsAfterItIsRead) {
  ASSERT_OK_AND_ASSIGN(const v1::Record read, system_.Get("memories", "mem-1"));
  EXPECT_EQ(read.fields().fields().at("access_count").number_value(), 2);
  WriteTouches();
  EXPECT_EQ(system_.Number("memories", "mem-1", "access_count"), 3);
  EXPECT_EQ(system_.Field("memories", "mem-1", "last_accessed"),
            R"("2027-01-15T08:00:00Z")");
  ASSERT_OK_AND_ASSIGN(const v1::Record again,
                       system_.Get("memories", "mem-1"));
  EXPECT_EQ(again.version(), read.version());
}

TEST_F(CodeBuddyTest, AMemoryIsGoneTheInstantItExpires) {
  ASSERT_OK_AND_ASSIGN(
      const auto memory,
      Remember("For now.", R"(, "expires_at": "2027-01-15T08:00:00.5Z")"));
  system_.clock().Advance(absl::Milliseconds(499));
  EXPECT_TRUE(system_.Exists("memories", memory.id()));
  system_.clock().Advance(absl::Milliseconds(1));
  EXPECT_FALSE(system_.Exists("memories", memory.id()));
  EXPECT_THAT(system_.Get("memories", memory.id()),
              StatusIs(absl::StatusCode::kNotFound));
  // Made again, it is a new one.
  ASSERT_OK_AND_ASSIGN(const auto again, Remember("For now.", ""));
  EXPECT_EQ(again.outcome(), v1::WriteResult::OUTCOME_CREATED);
}

TEST_F(CodeBuddyTest, ExpiredMemoriesAreSweptAndCounted) {
  ASSERT_OK(Remember("For now.", R"(, "expires_at": "2027-01-15T09:00:00Z")"));
  system_.clock().Advance(absl::Hours(2));
  v1::SweepExpiredRequest request;
  request.set_collection("memories");
  grpc::ClientContext context;
  v1::SweepExpiredResponse response;
  ASSERT_TRUE(system_.storage()
                  .records()
                  .SweepExpired(&context, request, &response)
                  .ok());
  EXPECT_EQ(response.expired(), 1);
  EXPECT_THAT(system_.Ids("memories"), ElementsAre("mem-1"));
}

TEST_F(CodeBuddyTest, ASessionIsCreatedOnce) {
  EXPECT_THAT(system_.Create("sessions", "main", "{}"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(CodeBuddyTest, AForkOutlivesTheSessionThatItCameFrom) {
  ASSERT_OK(system_.Delete("sessions", "main"));
  EXPECT_EQ(system_.Field("sessions", "fork", "parent_session_id"), "null");
}

TEST_F(CodeBuddyTest, ASessionTakesItsMessagesAlong) {
  ASSERT_OK(system_.Delete("sessions", "fork"));
  EXPECT_THAT(system_.Ids("messages"), IsEmpty());
}

TEST_F(CodeBuddyTest, ASessionCountsItsMessages) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(system_.Create(
        "messages", "",
        R"({"session_id": "fork", "role": "user", "content": ""})"));
  }
  EXPECT_EQ(system_.Number("sessions", "fork", "message_count"), 4);
  EXPECT_EQ(system_.Field("messages", "4", "content"), R"("")");
  // From an id on.
  ASSERT_OK_AND_ASSIGN(const auto response,
                       system_.DeleteWhere(Where(
                           "messages", "session_id = :session AND id >= :from",
                           R"({"session": "fork", "from": "3"})")));
  EXPECT_EQ(response.deleted(), 2);
  EXPECT_EQ(system_.Number("sessions", "fork", "message_count"), 2);
}

TEST_F(CodeBuddyTest, AMessageOfNoSessionIsRefusedAndNotCounted) {
  EXPECT_EQ(ReasonOf(system_
                         .Create("messages", "",
                                 R"({"session_id": "nobody", "role": "user"})")
                         .status()),
            ErrorReason::ERROR_REASON_REFERENCE_MISSING);
  EXPECT_THAT(system_.Ids("messages"), SizeIs(1));
}

TEST_F(CodeBuddyTest, ASessionsStatisticsAreRaised) {
  v1::WriteItem item = UpdateItem("sessions", "fork", "{}");
  for (const auto& [field, by] :
       {std::pair("total_tokens_in", 100.0), std::pair("total_cost", 0.5),
        std::pair("tool_calls_count", 0.0)}) {
    v1::Transform& transform = *item.add_transforms();
    transform.set_field(field);
    transform.mutable_increment()->set_number_value(by);
  }
  ASSERT_OK(system_.Write(item));
  EXPECT_EQ(system_.Number("sessions", "fork", "total_tokens_in"), 110);
  EXPECT_EQ(system_.Number("sessions", "fork", "total_cost"), 0.75);
  EXPECT_EQ(system_.Number("sessions", "fork", "tool_calls_count"), 1);
  item.mutable_update()->set_id("nobody");
  EXPECT_THAT(system_.Write(item), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CodeBuddyTest, AnalyticsAddUp) {
  ASSERT_OK_AND_ASSIGN(const auto result,
                       Report(R"("tokens_in": 10, "cost": 0.25,
      "requests": 1, "errors": 2, "session_count": 1)"));
  EXPECT_EQ(result.id(), "1");
  EXPECT_EQ(system_.Number("analytics", "1", "tokens_in"), 110);
  EXPECT_EQ(system_.Number("analytics", "1", "tokens_out"), 50);
  EXPECT_EQ(system_.Number("analytics", "1", "cost"), 0.75);
  EXPECT_EQ(system_.Number("analytics", "1", "requests"), 5);
  EXPECT_EQ(system_.Number("analytics", "1", "errors"), 3);
  EXPECT_EQ(system_.Number("analytics", "1", "session_count"), 2);
}

TEST_F(CodeBuddyTest, MeansAreWeightedByRequests) {
  // 4 requests of 250 ms at half hits, then 1 of 500 ms without.
  ASSERT_OK(Report(
      R"("requests": 1, "avg_response_time_ms": 500, "cache_hit_rate": 0)"));
  EXPECT_DOUBLE_EQ(system_.Number("analytics", "1", "avg_response_time_ms"),
                   300);
  EXPECT_DOUBLE_EQ(system_.Number("analytics", "1", "cache_hit_rate"), 0.4);
}

TEST_F(CodeBuddyTest, AMeanOfNoRequestsHasNoValueUntilThereAreSome) {
  const char nothing[] =
      R"({"date": "2026-02-02", "requests": 0, "avg_response_time_ms": 0})";
  ASSERT_OK_AND_ASSIGN(const auto first,
                       system_.Upsert("analytics", "", nothing));
  ASSERT_OK_AND_ASSIGN(const auto second,
                       system_.Upsert("analytics", "", nothing));
  EXPECT_EQ(second.id(), first.id());
  EXPECT_EQ(system_.Field("analytics", first.id(), "avg_response_time_ms"),
            "null");
  ASSERT_OK(system_.Upsert("analytics", "", R"({
      "date": "2026-02-02", "requests": 2, "avg_response_time_ms": 120})"));
  EXPECT_EQ(system_.Number("analytics", first.id(), "avg_response_time_ms"),
            120);
}

TEST_F(CodeBuddyTest, AnalyticsOfNoProjectAndNoModelAreOneRecordADay) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(system_.Upsert("analytics", "",
                             R"({"date": "2026-02-02", "session_count": 1})"));
  }
  EXPECT_THAT(system_.Ids("analytics"), SizeIs(2));
}

TEST_F(CodeBuddyTest, AnalyticsOlderThanTheDayAreDeleted) {
  ASSERT_OK(system_.Create("analytics", "", R"({"date": "2026-02-02"})"));
  ASSERT_OK_AND_ASSIGN(const auto response,
                       system_.DeleteWhere(Where("analytics", "date < :day",
                                                 R"({"day": "2026-02-02"})")));
  EXPECT_EQ(response.deleted(), 1);
}

TEST_F(CodeBuddyTest, AToolsUsesAddUpAndItsTimeIsTheMean) {
  EXPECT_EQ(system_.Number("tool_stats", "1", "avg_time_ms"), 250);
  ASSERT_OK(system_.Upsert("tool_stats", "", R"({
      "tool_name": "bash", "project_id": "engram", "success_count": 1,
      "total_time_ms": 500, "cache_misses": 1})"));
  EXPECT_EQ(system_.Number("tool_stats", "1", "success_count"), 4);
  EXPECT_EQ(system_.Number("tool_stats", "1", "avg_time_ms"), 300);
  EXPECT_EQ(system_.Number("tool_stats", "1", "cache_misses"), 3);
}

TEST_F(CodeBuddyTest,
       AToolUsedOutsideProjectsIsOneRecordWithAMeanOfZeroAtFirst) {
  ASSERT_OK_AND_ASSIGN(
      const auto first,
      system_.Upsert("tool_stats", "", R"({"tool_name": "grep"})"));
  EXPECT_EQ(system_.Number("tool_stats", first.id(), "avg_time_ms"), 0);
  ASSERT_OK_AND_ASSIGN(const auto second, system_.Upsert("tool_stats", "", R"({
                           "tool_name": "grep", "failure_count": 1})"));
  EXPECT_EQ(second.id(), first.id());
}

TEST_F(CodeBuddyTest, ARepairLearnsFromEachAttempt) {
  v1::WriteItem item;
  item.set_collection("repair_learning");
  *item.mutable_upsert()->mutable_fields() = storage::testing::ParseFields(R"({
      "error_pattern": "cannot find name <quoted>", "error_type": "lint",
      "strategy": "add import", "context_hash": "c0ffee", "success_count": 1,
      "avg_attempts": 4})");
  v1::Transform& example = *item.add_transforms();
  example.set_field("examples");
  example.mutable_append()->set_keep_last(5);
  google::protobuf::Value* element =
      example.mutable_append()->mutable_elements()->add_values();
  for (int i = 2; i <= 6; ++i) {
    element->set_string_value(absl::Substitute("import $0", i));
    ASSERT_OK_AND_ASSIGN(const auto result, system_.Write(item));
    EXPECT_EQ(result.id(), "1");
  }
  // 4 attempts at 1.5 and 5 at 4; 8 of 9 succeeded.
  EXPECT_DOUBLE_EQ(system_.Number("repair_learning", "1", "avg_attempts"),
                   (4 * 1.5 + 5 * 4) / 9);
  EXPECT_DOUBLE_EQ(system_.Number("repair_learning", "1", "success_rate"),
                   8.0 / 9);
  EXPECT_EQ(system_.Field("repair_learning", "1", "error_type"), R"("type")");
  EXPECT_EQ(system_.Field("repair_learning", "1", "examples"),
            R"(["import 2","import 3","import 4","import 5","import 6"])");
}

TEST_F(CodeBuddyTest, ARepairWithoutAContextSwallowsNoneThatHasOne) {
  const char generic[] = R"({"error_pattern": "cannot find name <quoted>",
      "error_type": "type", "strategy": "add import", "failure_count": 1})";
  ASSERT_OK_AND_ASSIGN(const auto first,
                       system_.Upsert("repair_learning", "", generic));
  ASSERT_OK_AND_ASSIGN(const auto second,
                       system_.Upsert("repair_learning", "", generic));
  EXPECT_NE(first.id(), "1");
  EXPECT_EQ(second.id(), first.id());
  EXPECT_EQ(system_.Number("repair_learning", "1", "failure_count"), 1);
}

TEST_F(CodeBuddyTest, AConventionSeenAgainIsTheSurerUpToOne) {
  const char seen[] = R"({"project_id": "engram", "category": "naming",
      "pattern": "files are snake_case", "examples": ["system.cc"]})";
  ASSERT_OK(system_.Upsert("conventions", "", seen));
  EXPECT_DOUBLE_EQ(system_.Number("conventions", "1", "confidence"), 0.6);
  EXPECT_EQ(system_.Number("conventions", "1", "occurrences"), 2);
  EXPECT_EQ(system_.Field("conventions", "1", "examples"), R"(["system.cc"])");
  for (int i = 0; i < 5; ++i)
    ASSERT_OK(system_.Upsert("conventions", "", seen));
  EXPECT_EQ(system_.Number("conventions", "1", "confidence"), 1);
  EXPECT_EQ(system_.Number("conventions", "1", "occurrences"), 7);
}

TEST_F(CodeBuddyTest, AChunkIndexedAgainIsReplacedAndKeepsItsBirth) {
  ASSERT_OK_AND_ASSIGN(const auto result,
                       system_.Replace("code_embeddings", "", R"({
          "project_id": "engram", "file_path": "src/main.ts", "chunk_index": 0,
          "chunk_text": "let x;", "chunk_hash": "cd34", "start_line": 0})"));
  EXPECT_EQ(result.id(), "1");
  EXPECT_EQ(system_.Field("code_embeddings", "1", "symbol_name"), "null");
  EXPECT_EQ(system_.Field("code_embeddings", "1", "start_line"), "0");
  EXPECT_EQ(system_.Field("code_embeddings", "1", "created_at"),
            R"("2026-02-01T00:00:00Z")");
  EXPECT_EQ(system_.Field("code_embeddings", "1", "updated_at"),
            R"("2027-01-15T08:00:00Z")");
}

TEST_F(CodeBuddyTest, WhatAShrunkenFileAndGoneFilesLeaveBehindIsDeleted) {
  for (const char* place : {R"("src/main.ts", "chunk_index": 1)",
                            R"("src/gone.ts", "chunk_index": 0)"}) {
    ASSERT_OK(system_.Create(
        "code_embeddings", "",
        absl::Substitute(R"({"project_id": "engram", "chunk_text": "x",
                             "chunk_hash": "y", "file_path": $0})",
                         place)));
  }
  ASSERT_OK(system_.DeleteWhere(Where(
      "code_embeddings",
      "project_id = :project AND file_path = :file AND chunk_index >= :chunks",
      R"({"project": "engram", "file": "src/main.ts", "chunks": 1})")));
  EXPECT_THAT(system_.Ids("code_embeddings"), ElementsAre("1", "3"));
  ASSERT_OK(system_.DeleteWhere(Where(
      "code_embeddings", "project_id = :project AND NOT file_path IN :files",
      R"({"project": "engram", "files": ["src/main.ts"]})")));
  EXPECT_THAT(system_.Ids("code_embeddings"), ElementsAre("1"));
}

TEST_F(CodeBuddyTest, ACachedValueSetAgainStartsOver) {
  system_.clock().Advance(absl::Hours(1));
  ASSERT_OK(system_.Replace("cache", "tool:ls:/work", R"({"value": [4]})"));
  EXPECT_EQ(system_.Field("cache", "tool:ls:/work", "value"), "[4]");
  EXPECT_EQ(system_.Number("cache", "tool:ls:/work", "hits"), 0);
  EXPECT_EQ(system_.Field("cache", "tool:ls:/work", "created_at"),
            R"("2027-01-15T09:00:00Z")");
  EXPECT_EQ(system_.Field("cache", "tool:ls:/work", "expires_at"), "null");
}

TEST_F(CodeBuddyTest, ReadingACachedValueIsAHitAndListingIsNone) {
  ASSERT_OK(system_.Get("cache", "tool:ls:/work"));
  EXPECT_TRUE(system_.Exists("cache", "tool:ls:/work"));
  WriteTouches();
  EXPECT_EQ(system_.Number("cache", "tool:ls:/work", "hits"), 3);
}

TEST_F(CodeBuddyTest, ACachedValueForLessThanASecondIsThereThatLong) {
  ASSERT_OK(system_.Replace("cache", "short", R"({
      "value": 1, "expires_at": "2027-01-15T08:00:00.25Z"})"));
  EXPECT_OK(system_.Get("cache", "short"));
  system_.clock().Advance(absl::Milliseconds(250));
  EXPECT_THAT(system_.Get("cache", "short"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CodeBuddyTest, NothingIsNoCachedValue) {
  EXPECT_THAT(system_.Replace("cache", "nothing", R"({"value": null})"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CodeBuddyTest, CachedValuesAreDeletedByKeyPatternAndCategory) {
  for (const char* key : {"api:100%", "api:1000", "API:2"}) {
    ASSERT_OK(
        system_.Replace("cache", key, R"({"value": 1, "category": "api"})"));
  }
  ASSERT_OK(system_.DeleteWhere(
      Where("cache", "id LIKE :pattern", R"({"pattern": "%100\\%%"})")));
  EXPECT_THAT(system_.Ids("cache"),
              UnorderedElementsAre("tool:ls:/work", "api:1000", "API:2"));
  ASSERT_OK(system_.DeleteWhere("cache", R"(category = "api")"));
  EXPECT_THAT(system_.Ids("cache"), ElementsAre("tool:ls:/work"));
}

TEST_F(CodeBuddyTest, OnlyCachedValuesWithAMeaningOweAVector) {
  ASSERT_OK(system_.Replace("cache", "plain", R"({"value": 1})"));
  ASSERT_OK_AND_ASSIGN(const auto coverage,
                       system_.storage().Coverage("cache"));
  ASSERT_EQ(coverage.vector_fields_size(), 1);
  EXPECT_EQ(coverage.vector_fields(0).pending(), 1);
  EXPECT_EQ(coverage.vector_fields(0).without_text(), 1);
}

TEST_F(CodeBuddyTest, ACheckpointCountsItsFilesAndTakesThemAlong) {
  EXPECT_EQ(system_.Number("checkpoints", "cp1", "file_count"), 1);
  ASSERT_OK(system_.Delete("checkpoints", "cp1"));
  EXPECT_THAT(system_.Ids("checkpoint_files"), IsEmpty());
}

TEST_F(CodeBuddyTest, ATaskTakesItsRemindersAlong) {
  ASSERT_OK(system_.Delete("prospective_tasks", "t1"));
  EXPECT_THAT(system_.Ids("reminders"), IsEmpty());
}

}  // namespace
}  // namespace engram::systems
