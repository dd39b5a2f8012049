// Amalfa (SYSTEMS.md, seed 003): the rules of its nodes, edges and history.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/systems/system.h"

namespace engram::systems {
namespace {

using ::engram::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kNode[] = "docs-architecture";

class AmalfaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(system_.Apply());
    ASSERT_OK(system_.WriteRows());
  }

  // The nodes that meet a filter.
  int64_t Nodes(const std::string& filter) {
    v1::DeleteWhereRequest request;
    request.set_collection("nodes");
    request.set_filter(filter);
    request.set_dry_run(true);
    const auto response = system_.DeleteWhere(request);
    EXPECT_OK(response);
    return response.ok() ? response->matched() : -1;
  }

  System system_{"amalfa"};
};

TEST_F(AmalfaTest, ANodeInsertedAgainLosesWhatIsNotSent) {
  ASSERT_OK(system_.Replace("nodes", kNode, R"({"title": "Architecture"})"));
  EXPECT_EQ(system_.Field("nodes", kNode, "summary"), "null");
  EXPECT_EQ(system_.Field("nodes", kNode, "source"), "null");
  EXPECT_EQ(system_.Field("nodes", kNode, "domain"), R"("knowledge")");
  EXPECT_EQ(system_.Field("nodes", kNode, "layer"), R"("experience")");
}

TEST_F(AmalfaTest, ANodeUpsertedAgainKeepsWhatIsNotSent) {
  ASSERT_OK(system_.Upsert("nodes", kNode, R"({"title": "Design"})"));
  EXPECT_EQ(system_.Field("nodes", kNode, "title"), R"("Design")");
  EXPECT_EQ(system_.Field("nodes", kNode, "summary"),
            R"("How it hangs together")");
}

TEST_F(AmalfaTest, AnEarlierVersionOfANodeCanBeBroughtBack) {
  ASSERT_OK(system_.Replace("nodes", kNode, R"({"title": "Spoilt"})"));
  v1::WriteItem item;
  item.set_collection("nodes");
  item.mutable_restore()->set_id(kNode);
  item.mutable_restore()->set_version(1);
  ASSERT_OK_AND_ASSIGN(const auto result, system_.Write(item));
  EXPECT_EQ(result.version(), 3);
  EXPECT_EQ(system_.Field("nodes", kNode, "title"), R"("Architecture")");
  EXPECT_EQ(system_.Field("nodes", kNode, "summary"),
            R"("How it hangs together")");
}

TEST_F(AmalfaTest, APlainEdgeThatExistsIsLeftAsItIs) {
  ASSERT_OK_AND_ASSIGN(
      const auto result,
      system_.Upsert("edges", "", R"({"source": "docs-architecture",
          "target": "docs-not-written-yet", "type": "CITES"})"));
  EXPECT_EQ(result.id(), "e1");
  EXPECT_EQ(result.outcome(), v1::WriteResult::OUTCOME_UNCHANGED);
  EXPECT_EQ(system_.Number("edges", "e1", "confidence"), 0.9);
}

TEST_F(AmalfaTest, ASemanticEdgeThatExistsIsUpdated) {
  ASSERT_OK_AND_ASSIGN(
      const auto result,
      system_.Upsert("edges", "", R"({"source": "docs-architecture",
          "target": "docs-not-written-yet", "type": "CITES", "confidence": 0.5,
          "veracity": 0.6, "context_source": "gap finder"})"));
  EXPECT_EQ(result.outcome(), v1::WriteResult::OUTCOME_UPDATED);
  EXPECT_THAT(system_.Ids("edges"), SizeIs(1));
  EXPECT_EQ(system_.Number("edges", "e1", "confidence"), 0.5);
  EXPECT_EQ(system_.Field("edges", "e1", "context_source"), R"("gap finder")");
}

TEST_F(AmalfaTest, AnEdgeIsOfAKindOrIsJustRelated) {
  ASSERT_OK_AND_ASSIGN(const auto result, system_.Create("edges", "", R"({
                           "source": "a", "target": "b"})"));
  EXPECT_EQ(system_.Field("edges", result.id(), "type"), R"("related_to")");
}

TEST_F(AmalfaTest, EdgesDangle) {
  ASSERT_OK(system_.Delete("nodes", kNode));
  EXPECT_THAT(system_.Ids("edges"), ElementsAre("e1"));
}

TEST_F(AmalfaTest, NodesAreFoundByDomainTypeTagAndFile) {
  EXPECT_EQ(Nodes(R"(domain = "knowledge" AND type = "document")"), 1);
  EXPECT_EQ(Nodes(R"(tags HAS "design")"), 1);
  EXPECT_EQ(Nodes(R"(source = "docs/Architecture.md")"), 1);
  EXPECT_EQ(Nodes("EXISTS meta.semantic_tokens"), 1);
  ASSERT_OK(
      system_.Update("nodes", kNode, R"({"meta": {"source": "new.md"}})"));
  EXPECT_EQ(Nodes(R"(source = "new.md")"), 1);
  EXPECT_EQ(Nodes("EXISTS meta.semantic_tokens"), 0);
}

TEST_F(AmalfaTest, ANodeTooShortToEmbedOwesNoVector) {
  ASSERT_OK(system_.Create("nodes", "stub", R"({"title": "Stub"})"));
  ASSERT_OK_AND_ASSIGN(const auto coverage,
                       system_.storage().Coverage("nodes"));
  ASSERT_EQ(coverage.vector_fields_size(), 1);
  EXPECT_EQ(coverage.vector_fields(0).pending(), 1);
  EXPECT_EQ(coverage.vector_fields(0).without_text(), 1);
}

TEST_F(AmalfaTest, TheHistoryEndsAfterAYear) {
  system_.clock().Advance(absl::Hours(24 * 365 - 1));
  EXPECT_THAT(system_.Ids("history"), ElementsAre("1"));
  system_.clock().Advance(absl::Hours(1));
  EXPECT_THAT(system_.Ids("history"), IsEmpty());
  // A later entry has a number of its own.
  ASSERT_OK(system_.Create("history", "", R"({
      "entity_type": "node", "entity_id": "x", "action": "insert"})"));
  EXPECT_THAT(system_.Ids("history"), ElementsAre("2"));
}

}  // namespace
}  // namespace engram::systems
