#ifndef ENGRAM_SERVICES_STORAGE_TESTING_GRAPH_FIXTURE_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_GRAPH_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/text_format.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/common_neighbors.h"
#include "services/storage/node_degrees.h"
#include "services/storage/testing/database_fixture.h"
#include "services/storage/traverse.h"

namespace engram::storage::testing {

// Edges between names; what they name need not exist.
inline constexpr char kLinks[] = R"(
collection: links
fields:
  a:      {type: string}
  b:      {type: string}
  kind:   {type: string, index: true}
  weight: {type: int, default: 1}
edges: {source: a, target: b, kind: kind}
)";

// Edges between records.
inline constexpr char kPlaces[] = R"(
collection: places
id: required
fields:
  name: {type: string}
  open: {type: bool, default: true}
soft_delete: true
)";
inline constexpr char kRoads[] = R"(
collection: roads
fields:
  from_id: {type: ref(places), on_delete: cascade}
  to_id:   {type: ref(places), on_delete: cascade}
  name:    {type: string}
  until:   {type: timestamp}
edges: {source: from_id, target: to_id}
expire: {field: until}
soft_delete: true
)";

// Asks a real database about graphs, with requests as text.
class GraphTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(db_.Apply({kLinks, kPlaces, kRoads})); }

  // Adds edges such as `e1: a -likes-> b`, or `a -> b`; one without an id is
  // called `<a>-<b>`.
  void Link(const std::vector<std::string>& edges) {
    std::vector<std::string> items;
    for (const std::string& edge : edges) items.push_back(LinkItem(edge));
    ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  }

  // Adds a record of one collection.
  void Put(const std::string& collection, const std::string& id,
           const std::string& fields) {
    ASSERT_OK(db_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                        R"(", "upsert": {"id": ")", id,
                                        R"(", "fields": )", fields, "}}")));
  }
  void Delete(const std::string& collection, const std::string& id) {
    ASSERT_OK(
        db_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                  R"(", "delete": {"id": ")", id, R"("}})")));
  }

  absl::StatusOr<v1::TraverseResponse> TraverseLinks(
      const std::string& request) {
    return Call<v1::TraverseRequest, v1::TraverseResponse>(
        storage::Traverse, absl::StrCat("collection: 'links' ", request));
  }
  absl::StatusOr<v1::TraverseResponse> TraverseRoads(
      const std::string& request) {
    return Call<v1::TraverseRequest, v1::TraverseResponse>(
        storage::Traverse, absl::StrCat("collection: 'roads' ", request));
  }
  absl::StatusOr<v1::GetDegreesResponse> Degrees(const std::string& request) {
    return Call<v1::GetDegreesRequest, v1::GetDegreesResponse>(
        storage::GetDegrees, absl::StrCat("collection: 'links' ", request));
  }
  absl::StatusOr<v1::GetCommonNeighborsResponse> Common(
      const std::string& request) {
    return Call<v1::GetCommonNeighborsRequest, v1::GetCommonNeighborsResponse>(
        storage::GetCommonNeighbors,
        absl::StrCat("collection: 'links' ", request));
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(
      absl::Status (*function)(Database&, const Request&, const CallBounds&,
                               Response*, const GraphLimits&),
      const std::string& text) {
    Request request;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request));
    Response response;
    const absl::Status status =
        function(db_.database(), request, bounds_, &response, limits_);
    if (!status.ok()) return status;
    return response;
  }

  // Each node as `<depth> <id> < <from>`.
  static std::vector<std::string> NodesOf(
      const absl::StatusOr<v1::TraverseResponse>& response) {
    if (!response.ok()) return {response.status().ToString()};
    std::vector<std::string> nodes;
    for (const v1::TraversedNode& node : response->nodes()) {
      nodes.push_back(
          absl::StrCat(node.depth(), " ", node.id(), " < ", node.from()));
    }
    return nodes;
  }
  // Each edge as `<id>: <source> -<kind>-> <target>`.
  static std::vector<std::string> EdgesOf(
      const absl::StatusOr<v1::TraverseResponse>& response) {
    if (!response.ok()) return {response.status().ToString()};
    std::vector<std::string> edges;
    for (const v1::TraversedEdge& edge : response->edges()) {
      edges.push_back(absl::StrCat(edge.id(), ": ", edge.source(), " -",
                                   edge.kind(), "-> ", edge.target()));
    }
    return edges;
  }

  TestDatabase db_;
  CallBounds bounds_;
  GraphLimits limits_;

 private:
  static std::string LinkItem(const std::string& edge) {
    std::vector<std::string> named =
        absl::StrSplit(edge, absl::MaxSplits(": ", 1));
    const std::vector<std::string> parts = absl::StrSplit(named.back(), ' ');
    const std::string id = named.size() == 2
                               ? named.front()
                               : absl::StrCat(parts[0], "-", parts[2]);
    std::string kind = parts[1].substr(0, parts[1].size() - 2);
    if (!kind.empty()) {
      kind = absl::StrCat(R"(, "kind": ")", kind.substr(1), R"(")");
    }
    return absl::StrCat(R"({"collection": "links", "create": {"id": ")", id,
                        R"(", "fields": {"a": ")", parts[0], R"(", "b": ")",
                        parts[2], R"(")", kind, "}}}");
  }
};

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_GRAPH_FIXTURE_H_
