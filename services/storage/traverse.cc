#include "services/storage/traverse.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/edge_reader.h"
#include "services/storage/graph_query.h"
#include "services/storage/graph_walk.h"
#include "services/storage/node_filter.h"
#include "services/storage/read_target.h"
#include "services/storage/record_condition.h"
#include "services/storage/record_reader.h"

namespace engram::storage {
namespace {

constexpr int kDefaultDepth = 1;
constexpr int kMaxDepth = 16;
constexpr int kDefaultNodes = 100;
constexpr int kMaxNodes = 10'000;

// What an element of a list takes beside its own bytes.
constexpr size_t kElementBytes = 6;

// A request, checked.
struct Plan {
  WalkPlan walk;
  EdgeFilter edge_filter;
  // Null unless something is wanted of the nodes' records.
  CollectionPtr nodes;
  std::optional<filter::Node> node_filter;
  // The fields to read of records; unset where no records are wanted.
  std::optional<std::vector<int>> node_fields;
  std::optional<std::vector<int>> edge_fields;
};

std::vector<EdgeEnd> DecodeDirection(v1::Direction direction,
                                     FieldViolations& violations) {
  switch (direction) {
    case v1::DIRECTION_UNSPECIFIED:
    case v1::DIRECTION_OUT:
      return {EdgeEnd::kSource};
    case v1::DIRECTION_IN:
      return {EdgeEnd::kTarget};
    case v1::DIRECTION_BOTH:
      return {EdgeEnd::kSource, EdgeEnd::kTarget};
    default:
      violations.Add("direction", absl::StrCat("is ", direction,
                                               ", which is no direction; give "
                                               "DIRECTION_OUT, DIRECTION_IN or "
                                               "DIRECTION_BOTH"));
      return {};
  }
}

WalkPlan DecodeWalk(const v1::TraverseRequest& request,
                    FieldViolations& violations) {
  CheckNodes(request.start(), 1, "start", violations);
  const std::set<std::string> start(request.start().begin(),
                                    request.start().end());
  return {.start = {start.begin(), start.end()},
          .ends = DecodeDirection(request.direction(), violations),
          .max_depth = DecodeLimit(request.max_depth(), kDefaultDepth,
                                   kMaxDepth, "max_depth", violations),
          .max_nodes = DecodeLimit(request.limit(), kDefaultNodes, kMaxNodes,
                                   "limit", violations)};
}

// The collection that the ends of edges refer to; empty if there is none, or if
// there are two.
std::string ReferredCollection(const schema::CollectionSpec& spec) {
  std::set<std::string> targets;
  for (const std::string& end : {spec.edges->source, spec.edges->target}) {
    const schema::FieldSpec& field = *spec.FindField(end);
    if (field.type == schema::FieldType::kRef) targets.insert(field.target);
  }
  return targets.size() == 1 ? *targets.begin() : "";
}

// Null if nothing is wanted of nodes' records, or after a violation.
absl::StatusOr<CollectionPtr> FindNodes(ReadTarget& target,
                                        const v1::TraverseRequest& request,
                                        FieldViolations& violations) {
  if (!request.node_collection().empty()) {
    return target.view.Get(request.node_collection());
  }
  if (request.node_filter().empty() && !request.has_node_mask()) return nullptr;
  const std::string referred = ReferredCollection(target.collection->spec);
  if (!referred.empty()) return target.view.Get(referred);
  violations.Add(
      "node_collection",
      absl::StrCat("is missing: the edges of \"", target.collection->name(),
                   "\" do not tell which collection their nodes are records "
                   "of; name it, or leave out node_filter and node_mask"));
  return nullptr;
}

absl::StatusOr<Plan> DecodeTraverse(ReadTarget& target,
                                    const v1::TraverseRequest& request) {
  FieldViolations violations;
  filter::SharedParameters parameters(request.parameters());
  const Collection& edges = *target.collection;
  Plan plan = {.walk = DecodeWalk(request, violations)};
  plan.edge_filter =
      DecodeEdgeFilter(edges.spec, request.kinds(), request.edge_filter(),
                       parameters, violations);
  ASSIGN_OR_RETURN(plan.nodes, FindNodes(target, request, violations));
  if (plan.nodes != nullptr && !request.node_filter().empty()) {
    plan.node_filter = DecodeReadFilter(schema::RecordScope(plan.nodes->spec),
                                        request.node_filter(), "node_filter",
                                        parameters, violations);
  }
  if (plan.nodes != nullptr && request.has_node_mask()) {
    plan.node_fields =
        DecodeMask(*plan.nodes, request.node_mask(), "node_mask", violations);
  }
  if (request.has_edge_mask()) {
    plan.edge_fields =
        DecodeMask(edges, request.edge_mask(), "edge_mask", violations);
    if (!request.with_edges()) {
      violations.Add("edge_mask",
                     "has no meaning without with_edges; set that, or leave "
                     "this out");
    }
  }
  // Where the nodes are not known their filter's names are not looked for.
  if (violations.empty()) parameters.CheckAllUsed(violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return plan;
}

// One call, in one state of the file.
class TraverseCall {
 public:
  TraverseCall(const ReadTarget& target, Plan plan, const CallBounds& bounds,
               const GraphLimits& limits, v1::TraverseResponse* response)
      : target_(target),
        plan_(std::move(plan)),
        bounds_(bounds),
        limits_(limits),
        now_us_(target.database->now_us()),
        response_(*response) {}

  absl::Status Run(bool with_edges);

 private:
  EdgeReader NewReader(EdgeReader::Columns columns) const {
    return EdgeReader(target_.connection(), *target_.collection,
                      plan_.edge_filter, columns, now_us_, bounds_);
  }
  absl::StatusOr<GraphWalk> Walk();
  // Adds the nodes, as many as the answer holds, and drops the others.
  absl::Status AddNodes(GraphWalk& walk);
  absl::Status AddEdges(const GraphWalk& walk);
  // Reads a record; leaves it absent if there is none.
  template <typename Element>
  absl::Status ReadRecord(RecordReader& reader, Element* element);
  // Whether there is room for the newest element of `list`, which is removed if
  // not. The first of an answer has room in any case.
  template <typename List>
  bool Fits(List* list);

  const ReadTarget& target_;
  const Plan plan_;
  const CallBounds& bounds_;
  const GraphLimits& limits_;
  const int64_t now_us_;
  v1::TraverseResponse& response_;
  size_t bytes_ = 0;
};

absl::Status TraverseCall::Run(bool with_edges) {
  ASSIGN_OR_RETURN(GraphWalk walk, Walk());
  response_.set_truncated(walk.truncated);
  RETURN_IF_ERROR(AddNodes(walk));
  if (with_edges) RETURN_IF_ERROR(AddEdges(walk));
  ASSIGN_OR_RETURN(*response_.mutable_position(), target_.ReadPosition());
  return absl::OkStatus();
}

absl::StatusOr<GraphWalk> TraverseCall::Walk() {
  EdgeReader edges = NewReader(EdgeReader::Columns::kEnds);
  std::optional<NodeFilter> filter;
  if (plan_.node_filter.has_value()) {
    filter.emplace(target_.connection(), *plan_.nodes, *plan_.node_filter,
                   now_us_, bounds_);
  }
  return WalkGraph(edges, filter.has_value() ? &*filter : nullptr, plan_.walk,
                   limits_);
}

template <typename Element>
absl::Status TraverseCall::ReadRecord(RecordReader& reader, Element* element) {
  RETURN_IF_ERROR(bounds_.Check());
  ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                   reader.ReadById(element->id(), element->mutable_record()));
  if (!row.has_value()) element->clear_record();
  return absl::OkStatus();
}

template <typename List>
bool TraverseCall::Fits(List* list) {
  bytes_ += list->rbegin()->ByteSizeLong() + kElementBytes;
  if (bytes_ <= limits_.answer_bytes ||
      response_.nodes_size() + response_.edges_size() == 1) {
    return true;
  }
  list->RemoveLast();
  response_.set_truncated(true);
  return false;
}

absl::Status TraverseCall::AddNodes(GraphWalk& walk) {
  std::optional<RecordReader> records;
  if (plan_.node_fields.has_value()) {
    records.emplace(target_.connection(), *plan_.nodes, *plan_.node_fields,
                    RecordReader::Body::kFields, now_us_);
  }
  for (const WalkedNode& node : walk.nodes) {
    v1::TraversedNode* out = response_.add_nodes();
    out->set_id(node.id);
    out->set_depth(node.depth);
    out->set_from(node.from);
    if (records.has_value()) RETURN_IF_ERROR(ReadRecord(*records, out));
    if (!Fits(response_.mutable_nodes())) break;
  }
  walk.nodes.resize(response_.nodes_size());
  return absl::OkStatus();
}

absl::Status TraverseCall::AddEdges(const GraphWalk& walk) {
  EdgeReader reader = NewReader(EdgeReader::Columns::kAll);
  const size_t room =
      limits_.answer_bytes - std::min(bytes_, limits_.answer_bytes);
  ASSIGN_OR_RETURN(const WalkedEdges walked,
                   ReadWalkedEdges(reader, plan_.walk, walk, room, limits_));
  if (walked.truncated) response_.set_truncated(true);
  std::optional<RecordReader> records;
  if (plan_.edge_fields.has_value()) {
    records.emplace(target_.connection(), *target_.collection,
                    *plan_.edge_fields, RecordReader::Body::kFields, now_us_);
  }
  for (const WalkedEdge& edge : walked.edges) {
    v1::TraversedEdge* out = response_.add_edges();
    out->set_id(edge.id);
    out->set_source(edge.source);
    out->set_target(edge.target);
    out->set_kind(edge.kind);
    if (records.has_value()) RETURN_IF_ERROR(ReadRecord(*records, out));
    if (!Fits(response_.mutable_edges())) break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Traverse(Database& database, const v1::TraverseRequest& request,
                      const CallBounds& bounds, v1::TraverseResponse* response,
                      const GraphLimits& limits) {
  ASSIGN_OR_RETURN(ReadTarget target,
                   FindGraph(database, request.collection()));
  ASSIGN_OR_RETURN(Plan plan, DecodeTraverse(target, request));
  const StatementGuard guard(target.connection(), bounds);
  return guard.Explain(
      TraverseCall(target, std::move(plan), bounds, limits, response)
          .Run(request.with_edges()));
}

}  // namespace engram::storage
