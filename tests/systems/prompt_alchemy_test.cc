// Prompt Alchemy (SYSTEMS.md, seed 002): the rules of its prompts, their use,
// decay and cleanup, and of what goes with them.

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
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr char kCleanup[] = "relevance_score < 0.3 OR last_used_at < now - 30d";

class PromptAlchemyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(system_.Apply());
    ASSERT_OK(system_.WriteRows());
  }

  absl::Status CreatePrompt(const std::string& id, const std::string& more) {
    return system_
        .Create(
            "prompts", id,
            absl::Substitute(R"({"content": "Words of $0.", "phase": "solutio",
                    "provider": "ollama", "model": "llama"$1})",
                             id, more))
        .status();
  }

  // Storage keeps touches in memory for a while, and writes them when it stops.
  void WriteTouches() { system_.storage().Restart(); }

  // An item that counts one use, as the original's triggers do.
  static v1::WriteItem UseOf(const std::string& prompt) {
    v1::WriteItem item = UpdateItem("prompts", prompt, "{}");
    v1::Transform& count = *item.add_transforms();
    count.set_field("usage_count");
    count.mutable_increment()->set_number_value(1);
    v1::Transform& time = *item.add_transforms();
    time.set_field("last_used_at");
    time.mutable_set_now();
    v1::Transform& relevance = *item.add_transforms();
    relevance.set_field("relevance_score");
    relevance.set_expression("min(relevance_score + 0.05, 1.0)");
    return item;
  }

  System system_{"prompt-alchemy"};
};

TEST_F(PromptAlchemyTest, ReadingAPromptCountsAsItsUse) {
  ASSERT_OK(CreatePrompt("p2", R"(, "relevance_score": 0.5)"));
  ASSERT_OK_AND_ASSIGN(const v1::Record read, system_.Get("prompts", "p2"));
  EXPECT_EQ(read.fields().fields().at("usage_count").number_value(), 0);
  WriteTouches();
  EXPECT_EQ(system_.Number("prompts", "p2", "usage_count"), 1);
  EXPECT_DOUBLE_EQ(system_.Number("prompts", "p2", "relevance_score"), 0.55);
  EXPECT_EQ(system_.Field("prompts", "p2", "last_used_at"),
            R"("2027-01-15T08:00:00Z")");
}

TEST_F(PromptAlchemyTest, RelevanceGrowsNoFurtherThanOne) {
  ASSERT_OK(CreatePrompt("p2", R"(, "relevance_score": 0.98)"));
  for (int i = 0; i < 3; ++i) ASSERT_OK(system_.Get("prompts", "p2"));
  WriteTouches();
  EXPECT_EQ(system_.Number("prompts", "p2", "usage_count"), 3);
  EXPECT_EQ(system_.Number("prompts", "p2", "relevance_score"), 1);
}

TEST_F(PromptAlchemyTest, AUseAndItsAnalyticsAreOneWrite) {
  v1::WriteRequest request;
  *request.add_items() = UseOf("p1");
  v1::WriteItem& row = *request.add_items();
  row.set_collection("usage_analytics");
  *row.mutable_create()->mutable_fields() = storage::testing::ParseFields(
      R"({"prompt_id": "p1", "effectiveness_score": 0.9})");
  ASSERT_OK(system_.storage().Write(request));
  EXPECT_EQ(system_.Number("prompts", "p1", "usage_count"), 3);
  EXPECT_DOUBLE_EQ(system_.Number("prompts", "p1", "relevance_score"), 0.95);
  EXPECT_EQ(system_.Ids("usage_analytics").size(), 2);

  request.mutable_items(1)
      ->mutable_create()
      ->mutable_fields()
      ->mutable_fields()
      ->at("prompt_id")
      .set_string_value("nobody");
  EXPECT_EQ(ReasonOf(system_.storage().Write(request).status()),
            ErrorReason::ERROR_REASON_REFERENCE_MISSING);
  EXPECT_EQ(system_.Number("prompts", "p1", "usage_count"), 3);
}

TEST_F(PromptAlchemyTest, TheSameContentAgainIsRefusedByTheNameOfTheFirst) {
  const char same[] = R"({"content": "Write a REST handler with tests.",
      "content_hash": "sha256_b94d27", "phase": "solutio", "provider": "openai", "model": "o4"})";
  EXPECT_THAT(system_.Create("prompts", "p2", same),
              StatusIs(absl::StatusCode::kAlreadyExists, "p1"));
  EXPECT_FALSE(system_.Exists("prompts", "p2"));
}

TEST_F(PromptAlchemyTest, APromptWithDerivationsCannotBeDeleted) {
  EXPECT_EQ(ReasonOf(system_.Delete("prompts", "p0").status()),
            ErrorReason::ERROR_REASON_RECORD_REFERENCED);
  EXPECT_TRUE(system_.Exists("prompts", "p0"));
}

TEST_F(PromptAlchemyTest, APromptTakesWhatIsSaidOfItAlong) {
  ASSERT_OK(system_.Delete("prompts", "p1"));
  for (const char* collection :
       {"model_metadata", "metrics", "enhancement_history", "user_feedback",
        "prompt_relationships", "user_interactions", "context"}) {
    EXPECT_THAT(system_.Ids(collection), IsEmpty()) << collection;
  }
  // Used to generate p1, and used all the same.
  EXPECT_EQ(system_.Field("usage_analytics", "1", "generated_prompt_id"),
            "null");
  EXPECT_OK(system_.Delete("prompts", "p0"));
}

TEST_F(PromptAlchemyTest, AnEnhancementOutlivesItsParent) {
  ASSERT_OK(CreatePrompt("p2", ""));
  ASSERT_OK(system_.Create("enhancement_history", "2", R"({
      "prompt_id": "p1", "parent_prompt_id": "p2", "enhancement_type": "merge"})"));
  ASSERT_OK(system_.Delete("prompts", "p2"));
  EXPECT_EQ(system_.Field("enhancement_history", "2", "parent_prompt_id"),
            "null");
}

TEST_F(PromptAlchemyTest, ACleanupArchivesWhatIsOfNoUseAndLeavesOutParents) {
  // The first rows were used long ago, and p0 is p1's parent.
  ASSERT_OK(system_.Update("prompts", "p0", R"({"relevance_score": 0.1})"));
  ASSERT_OK(CreatePrompt("never-used", ""));
  ASSERT_OK(CreatePrompt("irrelevant", R"(, "relevance_score": 0.2)"));
  ASSERT_OK(
      CreatePrompt("forgotten", R"(, "last_used_at": "2026-12-01T00:00:00Z")"));
  ASSERT_OK(
      CreatePrompt("recent", R"(, "last_used_at": "2027-01-14T00:00:00Z")"));
  ASSERT_OK(system_.Update("prompts", "p1",
                           R"({"last_used_at": "2027-01-14T00:00:00Z"})"));

  v1::DeleteWhereRequest request;
  request.set_collection("prompts");
  request.set_filter(kCleanup);
  request.set_archive_to("prompts_archive");
  EXPECT_THAT(system_.DeleteWhere(request),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(system_.Ids("prompts_archive"), ElementsAre("p9"));

  request.set_skip_referenced(true);
  ASSERT_OK_AND_ASSIGN(const auto response, system_.DeleteWhere(request));
  EXPECT_EQ(response.matched(), 3);
  EXPECT_EQ(response.deleted(), 2);
  EXPECT_EQ(response.skipped(), 1);
  EXPECT_THAT(system_.Ids("prompts"),
              UnorderedElementsAre("p0", "p1", "never-used", "recent"));
  EXPECT_THAT(system_.Ids("prompts_archive"),
              UnorderedElementsAre("p9", "irrelevant", "forgotten"));
  EXPECT_EQ(system_.Field("prompts_archive", "irrelevant", "content"),
            R"("Words of irrelevant.")");
  EXPECT_EQ(system_.Field("prompts_archive", "irrelevant", "archived_at"),
            R"("2027-01-15T08:00:00Z")");
}

TEST_F(PromptAlchemyTest, RelevanceDecaysWhereAPromptIsNotUsed) {
  ASSERT_OK(CreatePrompt("never-used", R"(, "relevance_score": 0.8)"));
  ASSERT_OK(CreatePrompt("recent", R"(, "relevance_score": 0.8,
                         "last_used_at": "2027-01-15T00:00:00Z")"));
  v1::UpdateWhereRequest request;
  request.set_collection("prompts");
  request.set_filter("last_used_at IS NULL OR last_used_at < now - 1d");
  v1::Transform& decay = *request.add_transforms();
  decay.set_field("relevance_score");
  decay.set_expression("max(relevance_score * :rate, 0.0)");
  (*request.mutable_parameters()->mutable_fields())["rate"].set_number_value(
      0.95);
  ASSERT_OK_AND_ASSIGN(const auto response, system_.UpdateWhere(request));
  EXPECT_EQ(response.matched(), 3);
  EXPECT_DOUBLE_EQ(system_.Number("prompts", "never-used", "relevance_score"),
                   0.8 * 0.95);
  EXPECT_DOUBLE_EQ(system_.Number("prompts", "recent", "relevance_score"), 0.8);
}

TEST_F(PromptAlchemyTest, ARelationshipFoundAgainKeepsItsIdAndTime) {
  ASSERT_OK_AND_ASSIGN(const auto result,
                       system_.Upsert("prompt_relationships", "", R"({
          "source_prompt_id": "p1", "target_prompt_id": "p0",
          "relationship_type": "derived_from", "strength": 0.4})"));
  EXPECT_EQ(result.id(), "1");
  EXPECT_EQ(system_.Number("prompt_relationships", "1", "strength"), 0.4);
  EXPECT_EQ(system_.Field("prompt_relationships", "1", "created_at"),
            R"("2025-07-19T10:00:00Z")");
}

TEST_F(PromptAlchemyTest, SettingsAreSeededOnce) {
  ASSERT_OK(
      system_.Update("database_config", "max_prompts", R"({"value": "5000"})"));
  v1::WriteRequest request;
  request.set_atomic(false);
  for (const char* key : {"max_prompts", "relevance_decay_rate"}) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection("database_config");
    item.mutable_create()->set_id(key);
    *item.mutable_create()->mutable_fields() =
        storage::testing::ParseFields(R"({"value": "1000"})");
  }
  ASSERT_OK_AND_ASSIGN(const auto response, system_.storage().Write(request));
  EXPECT_EQ(response.results(0).outcome(), v1::WriteResult::OUTCOME_FAILED);
  EXPECT_EQ(response.results(1).outcome(), v1::WriteResult::OUTCOME_CREATED);
  EXPECT_EQ(system_.Field("database_config", "max_prompts", "value"),
            R"("5000")");
}

TEST_F(PromptAlchemyTest, AnUpdateWithoutNewContentKeepsTheVector) {
  ASSERT_OK_AND_ASSIGN(const auto leased,
                       system_.storage().Lease(kFingerprint));
  for (const v1::OutboxEntry& entry : leased.entries()) {
    ASSERT_OK(system_.storage().Put(entry, {{1, 0, 0, 0}}));
  }
  ASSERT_OK(system_.Update("prompts", "p1", R"({"tags": ["rest"]})"));
  ASSERT_OK_AND_ASSIGN(const auto coverage,
                       system_.storage().Coverage("prompts"));
  ASSERT_EQ(coverage.vector_fields_size(), 1);
  EXPECT_EQ(coverage.vector_fields(0).embedded(), 2);
  EXPECT_EQ(coverage.vector_fields(0).pending(), 0);
}

TEST_F(PromptAlchemyTest, ATagIsMatchedWhole) {
  ASSERT_OK(CreatePrompt("p2", R"(, "tags": ["email"])"));
  v1::DeleteWhereRequest request;
  request.set_collection("prompts");
  request.set_filter(R"(tags HAS "ai")");
  request.set_dry_run(true);
  ASSERT_OK_AND_ASSIGN(const auto response, system_.DeleteWhere(request));
  EXPECT_EQ(response.matched(), 0);
}

TEST_F(PromptAlchemyTest, TodaysInteractionsAreThoseOfTheLastDay) {
  ASSERT_OK(system_.Create("user_interactions", "2", R"({
      "prompt_id": "p1", "session_id": "s1", "action": "skipped"})"));
  v1::DeleteWhereRequest request;
  request.set_collection("user_interactions");
  request.set_filter("timestamp > now - 24h");
  ASSERT_OK(system_.DeleteWhere(request));
  EXPECT_THAT(system_.Ids("user_interactions"), Not(Contains("2")));
  EXPECT_THAT(system_.Ids("user_interactions"), Contains("1"));
}

}  // namespace
}  // namespace engram::systems
