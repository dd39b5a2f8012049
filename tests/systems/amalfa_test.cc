// Amalfa (SYSTEMS.md, seed 003): the rules of its nodes, edges and history.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
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

  void Link(const std::string& source, const std::string& target) {
    ASSERT_OK(
        system_.Create("edges", "",
                       absl::StrCat(R"({"source": ")", source,
                                    R"(", "target": ")", target, R"("})")));
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Ask(grpc::Status (v1::RecordService::Stub::*method)(
                                   grpc::ClientContext*, const Request&,
                                   Response*),
                               const Request& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status =
        (system_.storage().records().*method)(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  // Amalfa's edge gate, of what storage answers.
  bool GateRejects(const std::string& source, const std::string& target,
                   int64_t most_edges = 50) {
    v1::GetDegreesRequest degrees;
    degrees.set_collection("edges");
    degrees.add_ids(target);
    const auto degree = Ask(&v1::RecordService::Stub::GetDegrees, degrees);
    EXPECT_OK(degree);
    v1::GetCommonNeighborsRequest common;
    common.set_collection("edges");
    common.set_id(source);
    common.add_others(target);
    const auto shared =
        Ask(&v1::RecordService::Stub::GetCommonNeighbors, common);
    EXPECT_OK(shared);
    return degree->degrees(0).edges_out() + degree->degrees(0).edges_in() >
               most_edges &&
           shared->others(0).shared_neighbors() == 0 &&
           !shared->others(0).linked();
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

TEST_F(AmalfaTest, EdgesOfANodeAreThoseThatLeaveIt) {
  Link("tea", "cups");
  Link("cups", "tea");
  v1::TraverseRequest request;
  request.set_collection("edges");
  request.add_start(kNode);
  request.set_with_edges(true);
  ASSERT_OK_AND_ASSIGN(const auto response,
                       Ask(&v1::RecordService::Stub::Traverse, request));
  ASSERT_EQ(response.edges_size(), 1);
  EXPECT_EQ(response.edges(0).id(), "e1");
  EXPECT_EQ(response.edges(0).target(), "docs-not-written-yet");
  EXPECT_EQ(response.edges(0).kind(), "CITES");
  request.set_start(0, "tea");
  ASSERT_OK_AND_ASSIGN(const auto tea,
                       Ask(&v1::RecordService::Stub::Traverse, request));
  ASSERT_EQ(tea.edges_size(), 1);
  EXPECT_EQ(tea.edges(0).source(), "tea");
}

TEST_F(AmalfaTest, TheGateRejectsEdgesToHubsThatShareNothing) {
  for (int i = 0; i < 26; ++i) {
    Link("hub", absl::StrCat("leaf-", i));
    Link(absl::StrCat("fan-", i), "hub");
  }
  Link("quiet", "leaf-0");
  Link("reader", "quiet");
  // 52 edges, in both directions, and nobody in between.
  EXPECT_TRUE(GateRejects("newcomer", "hub"));
  EXPECT_TRUE(GateRejects("reader", "hub"));
  // leaf-0 is in between.
  EXPECT_FALSE(GateRejects("quiet", "hub"));
  // An edge that there is counts as one, from either end.
  EXPECT_FALSE(GateRejects("fan-3", "hub"));
  EXPECT_FALSE(GateRejects("leaf-3", "hub"));
  // No hub.
  EXPECT_FALSE(GateRejects("newcomer", "quiet"));
  // As many as a node may have.
  EXPECT_FALSE(GateRejects("newcomer", "hub", 52));
  EXPECT_TRUE(GateRejects("newcomer", "hub", 51));
}

TEST_F(AmalfaTest, StructuralCandidatesAreUnlinkedPairsByAdamicAdar) {
  Link("tea", "cups");
  Link("coffee", "cups");
  Link("water", "cups");
  Link("tea", "kettle");
  Link("kettle", "coffee");
  Link("soup", "kettle");
  v1::GetCommonNeighborsRequest request;
  request.set_collection("edges");
  request.set_id("tea");
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      Ask(&v1::RecordService::Stub::GetCommonNeighbors, request));
  std::vector<std::string> ids;
  for (const v1::CommonNeighbors& other : response.others()) {
    ids.push_back(other.id());
    EXPECT_FALSE(other.linked());
    // Amalfa's own sum over edges in both directions; there are no parallel
    // ones here.
    double sum = 0;
    for (const v1::NodeDegree& node : other.shared()) {
      sum += 1 / std::log(node.edges_out() + node.edges_in());
    }
    EXPECT_DOUBLE_EQ(other.adamic_adar(), sum);
  }
  EXPECT_THAT(ids, ElementsAre("coffee", "soup", "water"));
  EXPECT_DOUBLE_EQ(response.others(0).adamic_adar(), 2 / std::log(3));
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
